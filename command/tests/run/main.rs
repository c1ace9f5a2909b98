//! `lessor run`: real processes, shell scripts, and everything that ends them.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use core::time::Duration;

use lessor_sqlite::rusqlite::Connection;
use process::{Files, LESSOR, LOST, STUBBORN, end_of, err, has_ended, left, out, within};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, test_kill_process};
use smol::process::{Command, Stdio};

#[cfg(feature = "etcd")]
mod clockless;
mod endings;
mod hooks;
mod metrics;
mod options;
#[cfg(target_os = "linux")]
mod order;
mod process;
mod slots;
mod surroundings;
mod systemd;
mod waiting;

/// The command's own, or one that says what kept it from running.
#[test]
fn exit_codes() {
    smol::block_on(async {
        let files = Files::new();
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
            let output = files.output(&[], script).await;
            assert_eq!(output.status.code(), Some(code), "{output:?}");
        }
        for (command, code) in [("/does/not/exist", 127), ("/", 126)] {
            let mut run = Command::new(LESSOR);
            let run =
                run.args(["run", "--key", "k", "--storage", &files.path("leases.db"), command]).stderr(Stdio::piped());
            let output = within(run.output()).await.unwrap();
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            assert!(err(&output).contains("cannot be started"), "{output:?}");
        }
        let mut run = Command::new(LESSOR);
        let run = run.args(["run", "--key", "k", "--storage", &files.path("no/folder/leases.db"), "true"]);
        let output = within(run.output()).await.unwrap();
        assert_eq!(output.status.code(), Some(123), "{output:?}");
        assert!(err(&output).contains("the storage fails"), "{output:?}");
    });
}

/// R5: each run has a later term, and hears it. The storage's URL may be in the environment.
#[test]
fn the_term_grows_from_run_to_run() {
    smol::block_on(async {
        let files = Files::new();
        for term in 1..=3 {
            let script = "echo $LESSOR_TERM $LESSOR_KEY $LESSOR_ID";
            let mut run = Command::new(LESSOR);
            run.env("LESSOR_STORAGE", files.path("leases.db"));
            let run = run.args(["run", "--key", "nightly", "--id", "node-a", "--quiet", "sh", "-c", script]);
            let output = within(run.output()).await.unwrap();
            assert_eq!((out(&output), err(&output)), (&*format!("{term} nightly node-a\n"), ""), "{output:?}");
        }
    });
}

/// R1: three that compete, each of them several times.
#[test]
fn one_at_a_time() {
    smol::block_on(async {
        let files = Files::new();
        let script = "echo begin $LESSOR_TERM >>log; sleep 0.05; echo end $LESSOR_TERM >>log";
        let competitors = (0..3).map(|_| async {
            for _ in 0..3 {
                let output = files.output(&[], script).await;
                assert!(output.status.success(), "{output:?}");
            }
        });
        futures::future::join_all(competitors).await;
        let log = std::fs::read_to_string(files.path("log")).unwrap();
        let expected: String = (1..=9).map(|term| format!("begin {term}\nend {term}\n")).collect();
        assert_eq!(log, expected);
    });
}

/// What the command leaves running ends before the lease does. Elsewhere nobody can wait for it.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_running() {
    smol::block_on(async {
        let files = Files::new();
        let output = files.output(&[], "(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 & echo $!").await;
        assert!(output.status.success(), "{output:?}");
        let left = Pid::from_raw(out(&output).trim().parse().unwrap()).unwrap();
        assert_eq!(test_kill_process(left), Err(Errno::SRCH));
    });
}

/// The next one begins only when a command that does not want to end has ended.
#[test]
fn a_timeout_ends_the_command_before_the_next_one_begins() {
    smol::block_on(async {
        let files = Files::new();
        let mut first = files.start(&["--timeout", "2s", "--grace", "500ms"], STUBBORN);
        let processes = [first.process().await, first.process().await];
        let script =
            format!("kill -0 {} 2>/dev/null && echo overlap; echo begin $LESSOR_TERM", processes[0].as_raw_pid());
        let second = files.output(&[], &script).await;
        assert_eq!(out(&second), "begin 2\n", "{second:?}");
        assert_eq!(first.code().await, Some(124));
        assert!(processes.into_iter().all(has_ended));

        let options = ["--timeout", "2s", "--grace", "3s", "--ttl", "20s"];
        let heeding = files.output(&options, "trap 'echo bye; exit 0' TERM; sleep 1000 & wait").await;
        assert_eq!((heeding.status.code(), out(&heeding)), (Some(124), "bye\n"), "{heeding:?}");
        assert!(err(&heeding).contains("its time has passed"), "{heeding:?}");
    });
}

/// Nothing of the command outlives a killed `run`, and the next one begins when the lease has run out.
#[test]
fn a_killed_run_takes_its_command_along() {
    smol::block_on(async {
        let files = Files::new();
        let mut first = files.start(&[], STUBBORN);
        let processes = [first.process().await, first.process().await];
        first.signal(Signal::KILL);
        for process in processes {
            end_of(process).await;
        }
        let left = left(&Connection::open(files.path("leases.db")).unwrap());
        assert!(left > 1000.0, "{left} ms: not at once, but at the last moment");
        let second = files.output(&[], "echo begin $LESSOR_TERM").await;
        assert_eq!(out(&second), "begin 2\n", "{second:?}");
    });
}

/// The command of a `run` that stands still is killed before its lease ends.
#[test]
fn a_frozen_run_does_not_keep_its_command() {
    smol::block_on(async {
        let files = Files::new();
        let mut first = files.start(&LOST, STUBBORN);
        let processes = [first.process().await, first.process().await];
        first.signal(Signal::STOP);
        let connection = Connection::open(files.path("leases.db")).unwrap();
        for process in processes {
            end_of(process).await;
        }
        let left = left(&connection);
        assert!(left > 0.0, "{left} ms");
        let second = files.output(&[], "echo begin $LESSOR_TERM").await;
        assert_eq!(out(&second), "begin 2\n", "{second:?}");
        first.signal(Signal::CONT);
        assert_eq!(first.code().await, Some(122));
    });
}

/// R2: a storage that does not answer. The command hears SIGTERM in time, and is killed before the lease ends if it
/// does not heed it.
#[test]
fn a_command_does_not_outlive_its_lease() {
    smol::block_on(async {
        let files = Files::new();
        let mut stubborn =
            files.start(&[&LOST[..], &["--grace", "1s"]].concat(), &STUBBORN.replace("''", "'echo asked'"));
        let processes = [stubborn.process().await, stubborn.process().await];
        let blocked = files.block_storage();
        assert_eq!(stubborn.line().await, "asked");
        let left = blocked.left();
        assert!(left > 1000.0, "{left} ms, which is less than the grace");
        for process in processes {
            end_of(process).await;
        }
        let left = blocked.left();
        assert!(left > 0.0, "{left} ms");
        assert_eq!(stubborn.code().await, Some(122));
    });
}

/// With `--restart` it runs again when this process leads again: in a later term, never beside another.
#[test]
fn it_runs_again_after_a_loss() {
    smol::block_on(async {
        let files = Files::new();
        let script = "trap 'echo asked; exit 0' TERM; echo begin $LESSOR_TERM; sleep 1000 & wait";
        let mut run = files.start(&[&LOST[..], &["--restart", "--pause", "10ms"]].concat(), script);
        assert_eq!(run.line().await, "begin 1");
        let blocked = files.block_storage();
        assert_eq!(run.line().await, "asked");
        while blocked.left() > 0.0 {
            smol::Timer::after(Duration::from_millis(10)).await;
        }
        drop(blocked);
        assert_eq!(run.line().await, "begin 2");
        run.signal(Signal::TERM);
        assert_eq!(run.line().await, "asked");
        assert_eq!(run.code().await, Some(0));
        run.says_nothing_more().await;
    });
}

/// The time to wait begins anew with each loss, however long it has led before.
#[test]
fn it_waits_again_after_a_loss() {
    smol::block_on(async {
        let files = Files::new();
        let script =
            "trap 'echo asked; exit 0' TERM; echo begin $LESSOR_TERM; sleep 8.2 & wait; echo long; sleep 1000 & wait";
        let mut run = files.start(&["--ttl", "5s", "--restart", "--pause", "10ms", "--wait", "8s"], script);
        assert_eq!((run.line().await, run.line().await), ("begin 1".into(), "long".into()));
        let blocked = files.block_storage();
        assert_eq!(run.line().await, "asked");
        while blocked.left() > 0.0 {
            smol::Timer::after(Duration::from_millis(10)).await;
        }
        drop(blocked);
        assert_eq!(run.line().await, "begin 2");
        run.signal(Signal::TERM);
        assert_eq!(run.line().await, "asked");
        assert_eq!(run.code().await, Some(0));
    });
}

#[test]
fn it_runs_again_when_the_command_ends() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.start(&["--restart", "--pause", "10ms"], "echo begin $LESSOR_TERM; exit 1");
        for _ in 0..3 {
            assert_eq!(run.line().await, "begin 1", "the lease is kept in between");
        }
        run.signal(Signal::TERM);
        assert!(matches!(run.code().await, Some(143 | 1)));
    });
}

/// Each of them reaches the command, also those that would end `run`.
#[test]
fn signals_are_passed_on() {
    smol::block_on(async {
        let files = Files::new();
        let script = "for s in INT HUP QUIT USR1 USR2; do trap \"echo got $s\" $s; done; trap 'echo got TERM; exit 5' TERM; \
                      echo ready; while :; do sleep 0.02; done";
        let mut run = files.start(&[], script);
        assert_eq!(run.line().await, "ready");
        for (signal, name) in [
            (Signal::INT, "INT"),
            (Signal::HUP, "HUP"),
            (Signal::QUIT, "QUIT"),
            (Signal::USR1, "USR1"),
            (Signal::USR2, "USR2"),
            (Signal::TERM, "TERM"),
        ] {
            run.signal(signal);
            assert_eq!(run.line().await, format!("got {name}"));
        }
        run.says_nothing_more().await;
        assert_eq!(run.code().await, Some(5));
    });
}
