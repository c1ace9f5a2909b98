//! `--on-elected`, `--on-lost` and `--min-hold`: what is done around the command, and what holds the lease without one.

use lessor_sqlite::rusqlite::Connection;
use rustix::process::Signal;

use crate::process::{Files, LOST, STUBBORN, end_of, err, kill, left, line, lines, out, within};

const SAY: &str = "echo $HOOK $LESSOR_KEY $LESSOR_ID $LESSOR_TERM ${LESSOR_SLOT-none}";

fn say(hook: &str) -> String {
    SAY.replace("$HOOK", hook)
}

#[test]
fn hooks_are_around_the_command() {
    smol::block_on(async {
        let files = Files::new();
        let (elected, lost) = (say("elected"), say("lost"));
        let hooks = ["--id", "a", "--on-elected", &elected, "--on-lost", &lost];
        let output = files.output(&hooks, "echo runs; exit 4").await;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert_eq!(out(&output), "elected nightly a 1 none\nruns\nlost nightly a 1 none\n");
        let slots = [&hooks[..], &["--slots", "1"]].concat();
        let output = files.output(&slots, "echo runs").await;
        assert_eq!(out(&output), "elected nightly a 1 0\nruns\nlost nightly a 1 0\n");
    });
}

/// Once in a reign, however often the command runs.
#[test]
fn hooks_are_run_once_in_a_reign() {
    smol::block_on(async {
        let files = Files::new();
        let hooks = ["--on-elected", "echo elected", "--on-lost", "echo lost", "--restart", "--pause", "10ms"];
        let mut run = files.start(&hooks, "echo runs; test -e last && exec sleep 1000");
        for expected in ["elected", "runs", "runs"] {
            assert_eq!(run.line().await, expected);
        }
        std::fs::write(files.path("last"), "").unwrap();
        run.signal(Signal::TERM);
        while run.line().await != "lost" {}
        run.says_nothing_more().await;
    });
}

/// How a hook ends is said, and changes nothing else; nor does what it leaves running.
#[test]
fn hooks_that_fail_or_take_too_long_are_ended() {
    smol::block_on(async {
        let files = Files::new();
        let hooks = ["--on-elected", STUBBORN, "--on-lost", "exit 3", "--hook-timeout", "2s", "--grace", "100ms"];
        let output = files.output(&hooks, "echo runs").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let mut said = out(&output).lines();
        for _ in 0..2 {
            end_of(rustix::process::Pid::from_raw(said.next().unwrap().parse().unwrap()).unwrap()).await;
        }
        assert_eq!(said.collect::<Vec<_>>(), ["runs"]);
        assert!(err(&output).contains("--on-elected: the command was ended: its time has passed"), "{output:?}");
        assert!(err(&output).contains("--on-lost: the command ended: exit status: 3"), "{output:?}");
    });
}

/// A hook within the lease ends with it, as the command does: here with a `run` that is killed, and with one that stands still.
#[test]
fn a_hook_does_not_outlive_its_lease() {
    smol::block_on(async {
        for signal in [Signal::KILL, Signal::STOP] {
            let files = Files::new();
            let options = [&LOST[..], &["--on-elected", STUBBORN, "--hook-timeout", "1h"]].concat();
            let mut run = files.start(&options, "echo never");
            let processes = [run.process().await, run.process().await];
            run.signal(signal);
            for process in processes {
                end_of(process).await;
            }
            let left = left(&Connection::open(files.path("leases.db")).unwrap());
            assert!(left > 0.0, "{left} ms");
            if signal == Signal::STOP {
                run.signal(Signal::CONT);
                run.signal(Signal::TERM);
                run.code().await;
            }
        }
    });
}

/// After a loss `--on-lost` is run though there is no lease any more.
#[test]
fn a_loss_is_told_to_the_hook() {
    smol::block_on(async {
        let files = Files::new();
        let options = [&LOST[..], &["--on-lost", "echo lost $LESSOR_TERM", "--restart", "--pause", "10ms"]].concat();
        let mut run =
            files.start(&options, "trap 'echo asked; exit 0' TERM; echo begin $LESSOR_TERM; sleep 1000 & wait");
        assert_eq!(run.line().await, "begin 1");
        let blocked = files.block_storage();
        assert_eq!(run.line().await, "asked");
        assert_eq!(run.line().await, "lost 1");
        drop(blocked);
        assert_eq!(run.line().await, "begin 2");
        run.signal(Signal::TERM);
        assert_eq!((run.line().await, run.line().await), ("asked".into(), "lost 2".into()));
        assert_eq!(run.code().await, Some(0));
    });
}

/// A signal that comes while the hook runs is the hook's, and the command is not begun.
#[test]
fn a_signal_during_a_hook_ends_it() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.start(&["--on-elected", "echo ready; exec sleep 1000"], "echo never");
        assert_eq!(run.line().await, "ready");
        run.signal(Signal::TERM);
        assert_eq!(run.code().await, Some(143));
        run.says_nothing_more().await;
    });
}

/// Whose cron fires late finds the lease held, though the job is done; a signal ends the wait.
#[test]
fn the_lease_is_held_for_as_long_as_was_asked() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.command(&["--min-hold", "1h"], "exit 6").spawn().unwrap();
        let mut said = lines(run.stderr.take().unwrap());
        while !line(&mut said).await.contains("the lease is held for") {}
        let late = files.output(&["--wait", "0"], "echo never").await;
        assert_eq!((late.status.code(), out(&late)), (Some(121), ""), "{late:?}");
        kill(&run, Signal::TERM);
        assert_eq!(within(run.status()).await.unwrap().code(), Some(6), "that of the command");
        let next = files.output(&["--wait", "0", "--min-hold", "10ms"], "echo begin $LESSOR_TERM").await;
        assert_eq!((next.status.code(), out(&next)), (Some(0), "begin 2\n"), "{next:?}");
    });
}

/// It is held by renewals: for longer than a ttl.
#[test]
fn a_long_hold_is_renewed() {
    smol::block_on(async {
        let files = Files::new();
        let mut first = files.command(&["--ttl", "6s", "--min-hold", "7s"], "echo done").spawn().unwrap();
        let mut said = lines(first.stderr.take().unwrap());
        while !line(&mut said).await.contains("the lease is held for") {}
        let second = files.output(&[], "echo begin $LESSOR_TERM").await;
        assert_eq!(out(&second), "begin 2\n", "{second:?}");
        assert!(within(first.status()).await.unwrap().success(), "it led to the end");
    });
}
