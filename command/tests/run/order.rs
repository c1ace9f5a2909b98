//! What has happened counts, not what is noticed first: here `run` stands still meanwhile, or what is killed takes long to die.

use core::time::Duration;
use std::fs::File;
use std::io::Write;

use futures::future::join_all;
use rustix::process::{Pid, Signal, getpgid, kill_process};
use smol::process::{Command, Stdio};
use smol::stream::StreamExt;

use crate::process::{Files, LESSOR, LOST, Running, end_of, has_ended, out, state, until, within};

/// Takes longer to die than a process that holds little.
const HOLDS_MUCH: &str = "much=$(head -c 200000000 /dev/zero | tr '\\0' x)";

/// Does not return before it stands still.
async fn stop(run: &Running) {
    run.signal(Signal::STOP);
    let process = Pid::from_raw(i32::try_from(run.child.id()).unwrap()).unwrap();
    until("it stands still", || state(process) == Some('T')).await;
}

/// The leash is of the group that is killed, and often ends first.
#[test]
fn a_leash_that_was_killed_with_its_command_was_not_lost() {
    smol::block_on(async {
        let files = Files::new();
        let script = format!("trap '' TERM; {HOLDS_MUCH}; echo ready; while :; do sleep 1000; done");
        let mut run = files.start(&["--kill-after", "10ms"], &script);
        assert_eq!(run.line().await, "ready");
        run.signal(Signal::TERM);
        assert_eq!(run.code().await, Some(137));
    });
}

/// It is the same blow, whoever of those it hits is seen to end first.
#[test]
fn a_group_that_is_killed_was_killed() {
    smol::block_on(async {
        for first in [":", HOLDS_MUCH] {
            let output = Files::new().output(&[], &format!("{first}; kill -9 0")).await;
            assert_eq!(output.status.code(), Some(137), "{first}: {output:?}");
        }
    });
}

/// The rest of the group ends also where leash and command are seen to have ended at once, and nobody is left to kill it.
#[test]
fn nobody_is_left_without_a_leash() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.start(&[], "sleep 1000 >/dev/null 2>&1 & echo $!; echo $$; exec sleep 1000");
        let (other, command) = (run.process().await, run.process().await);
        let leash = getpgid(Some(command)).unwrap();
        stop(&run).await;
        for process in [leash, command] {
            kill_process(process, Signal::KILL).unwrap();
            end_of(process).await;
        }
        run.signal(Signal::CONT);
        assert_eq!(run.code().await, Some(137));
        assert!(has_ended(other));
    });
}

/// Those that a command sends to its whole group, and lives through itself.
#[test]
fn a_leash_outlives_what_its_command_does() {
    smol::block_on(async {
        for signal in ["ABRT", "XCPU", "XFSZ", "USR1", "40"] {
            let output = Files::new().output(&[], &format!("trap '' {signal}; kill -s {signal} 0; exit 3")).await;
            assert_eq!(output.status.code(), Some(3), "{signal}: {output:?}");
        }
    });
}

/// Timers that were due while this process stood still come first when it goes on.
#[test]
fn a_command_that_ended_in_time_has_ended_in_time() {
    let stands_still = async |options: [&str; 2]| {
        let files = Files::new();
        let mut run = files.start(&options, "echo $$; while ! test -e go; do sleep 0.02; done; exit 6");
        let command = run.process().await;
        stop(&run).await;
        std::fs::write(files.path("go"), "").unwrap();
        end_of(command).await;
        smol::Timer::after(Duration::from_millis(10_100)).await;
        run.signal(Signal::CONT);
        assert_eq!(run.code().await, Some(6), "{options:?}");
    };
    smol::block_on(join_all([["--timeout", "10s"], ["--ttl", "10s"]].map(stands_still)));
}

/// Wherever it stood: here right after the system has said that nothing has ended, before it is acted upon.
#[cfg(target_os = "linux")]
#[test]
fn it_does_not_matter_where_it_stands_still() {
    let stands_still = async |look: usize| {
        let files = Files::new();
        assert!(Command::new("mkfifo").arg(files.path("go")).status().await.unwrap().success());
        // One that is open for both does not wait for who reads.
        let mut go = File::options().read(true).write(true).open(files.path("go")).unwrap();
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o", &files.path("trace"), "-e", "trace=wait4", "-e"]);
        traced.arg(format!("inject=wait4:signal=SIGSTOP:when={look}")).arg(LESSOR);
        traced.args(files.arguments(&["--timeout", "10s", "--ttl", "1h"], "echo $$; read line <go; exit 6"));
        traced.current_dir(files.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut strace = Running::of(traced.spawn().expect("strace: `tests/run command` installs it"));
        let said = || std::fs::read_to_string(files.path("trace")).unwrap_or_default();
        until("it stands still", || said().contains("stopped by SIGSTOP")).await;
        let run = said().split(' ').next().and_then(|process| Pid::from_raw(process.parse().ok()?)).unwrap();
        let mut on_failure = Killed(Some(run));
        // It may not have begun.
        let begun = children(run.as_raw_pid().unsigned_abs()).len() > 1;
        if !begun {
            kill_process(run, Signal::CONT).unwrap();
        }
        let command = strace.process().await;
        go.write_all(b"\n").unwrap();
        if begun {
            end_of(command).await;
            smol::Timer::after(Duration::from_millis(10_100)).await;
            kill_process(run, Signal::CONT).unwrap();
        }
        assert_eq!(strace.code().await, Some(6), "look {look}");
        on_failure.0 = None;
        begun
    };
    let begun = smol::block_on(join_all((1..=8).map(stands_still)));
    assert!(begun.contains(&true), "none had begun its command");
}

#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<Pid> {
    let all = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    all.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

/// A process that nobody else would end.
#[cfg(target_os = "linux")]
struct Killed(Option<Pid>);

#[cfg(target_os = "linux")]
impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(process) = self.0 {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// As an init system does it: all of them are asked to end at once. The lease is released, and what is done before that is done.
#[test]
fn who_is_asked_to_end_with_its_command_ends_in_order() {
    smol::block_on(async {
        for options in [&[][..], &["--on-lost", "sleep 0.1; echo done"]] {
            for _ in 0..5 {
                let files = Files::new();
                let mut run = files.start(&[&["--ttl", "1h"], options].concat(), "echo $$; exec sleep 1000");
                let command = run.process().await;
                stop(&run).await;
                run.signal(Signal::TERM);
                kill_process(command, Signal::TERM).unwrap();
                end_of(command).await;
                run.signal(Signal::CONT);
                if !options.is_empty() {
                    assert_eq!(run.line().await, "done");
                }
                assert_eq!(run.code().await, Some(143));
                let next = files.output(&["--wait", "0"], "echo begin $LESSOR_TERM").await;
                assert_eq!(out(&next), "begin 2\n", "{next:?}");
            }
        }
    });
}

/// After a loss, too, a signal that a hook gets is for this process.
#[test]
fn a_signal_during_the_hook_of_a_loss_ends_it() {
    smol::block_on(async {
        let files = Files::new();
        let hook = ["--restart", "--pause", "10ms", "--on-lost", "echo hook; exec sleep 1000"];
        let script = "trap 'exit 0' TERM; echo begin; sleep 1000 & wait";
        let mut run = files.start(&[&LOST[..], &hook].concat(), script);
        assert_eq!(run.line().await, "begin");
        let blocked = files.block_storage();
        assert_eq!(run.line().await, "hook");
        drop(blocked);
        run.signal(Signal::TERM);
        run.says_nothing_more().await;
        assert_eq!(run.code().await, Some(143));
    });
}

/// It took the signal for none, and yet it ended for it: by `--kill-after`.
#[test]
fn who_was_killed_for_a_signal_does_not_run_again() {
    smol::block_on(async {
        let files = Files::new();
        let options = ["--restart", "--pause", "10ms", "--grace", "100ms", "--kill-after", "400ms"];
        let mut run = files.start(&options, "trap '' INT; echo begin; while :; do sleep 0.05; done");
        assert_eq!(run.line().await, "begin");
        run.signal(Signal::INT);
        run.says_nothing_more().await;
        assert_eq!(run.code().await, Some(137));
    });
}

/// A hang-up does not hide the Ctrl-C before it.
#[test]
fn each_signal_is_remembered() {
    smol::block_on(async {
        let files = Files::new();
        let script = "trap 'echo asked; (trap \"\" HUP; exec sleep 0.8); exit 130' INT; trap 'echo reloaded' HUP; \
                      echo begin; while :; do (trap '' HUP INT; exec sleep 0.05); done";
        let mut run = files.start(&["--restart", "--pause", "10ms", "--grace", "100ms"], script);
        assert_eq!(run.line().await, "begin");
        run.signal(Signal::INT);
        assert_eq!(run.line().await, "asked");
        run.signal(Signal::HUP);
        // Whether it hears that one is its affair.
        while let Some(line) = within(run.lines.next()).await {
            assert_eq!(line.unwrap(), "reloaded");
        }
        assert_eq!(run.code().await, Some(130));
    });
}
