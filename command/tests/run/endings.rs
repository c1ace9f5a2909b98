//! Signals that ask for an end, or for something else; and commands that stand still.

use std::process::Stdio;

use rustix::process::{Signal, kill_process};
use smol::io::AsyncWriteExt;
use smol::process::Command;

use crate::process::{Files, LESSOR, STUBBORN, end_of, line, lines, out, within};

/// Many take a SIGHUP as a wish to read their settings anew. Who lives on was not ended by it, and runs again if it ends later.
#[test]
fn a_signal_that_ends_nothing_is_no_end() {
    smol::block_on(async {
        let files = Files::new();
        let script = "trap 'echo reloaded' HUP INT QUIT; echo $$; while :; do sleep 0.02; done";
        let mut run = files.start(&["--restart", "--pause", "10ms", "--grace", "0"], script);
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT] {
            let command = run.process().await;
            run.signal(signal);
            assert_eq!(run.line().await, "reloaded");
            kill_process(command, Signal::KILL).unwrap();
        }
        run.process().await;
        run.signal(Signal::TERM);
        assert_eq!(run.code().await, Some(143));
    });
}

/// Whoever ends by such a signal, says that it did, or ends soon after it, was asked to: it does not run again, and nothing is held.
#[test]
fn a_signal_that_is_heeded_is_an_end() {
    smol::block_on(async {
        let long = "echo ready; while :; do sleep 0.02; done";
        for (trap, signal, grace, code) in [
            ("true", Signal::HUP, "0", 129),
            ("trap 'exit 130' INT", Signal::INT, "0", 130),
            ("trap 'exit 3' QUIT", Signal::QUIT, "5s", 3),
        ] {
            let files = Files::new();
            let options = ["--ttl", "30s", "--restart", "--pause", "10ms", "--min-hold", "1h", "--grace", grace];
            let mut run = files.start(&options, &format!("{trap}; {long}"));
            assert_eq!(run.line().await, "ready");
            run.signal(signal);
            run.says_nothing_more().await;
            assert_eq!(run.code().await, Some(code));
        }
    });
}

/// As `timeout --kill-after`; the next one begins at once.
#[test]
fn who_does_not_end_is_killed() {
    smol::block_on(async {
        let files = Files::new();
        for (term, signal) in [(2, Signal::TERM), (4, Signal::INT)] {
            let script = STUBBORN.replace("TERM", "TERM INT");
            let mut stubborn = files.start(&["--kill-after", "300ms"], &script);
            let processes = [stubborn.process().await, stubborn.process().await];
            stubborn.signal(signal);
            assert_eq!(stubborn.code().await, Some(137));
            for process in processes {
                end_of(process).await;
            }
            let next = files.output(&["--wait", "0"], "echo begin $LESSOR_TERM").await;
            assert_eq!(out(&next), format!("begin {term}\n"), "{next:?}");
        }
    });
}

/// Nobody is killed for reading its settings anew.
#[test]
fn who_hears_a_hangup_is_not_killed() {
    smol::block_on(async {
        let files = Files::new();
        let script = "trap 'echo reloaded; sleep 0.5; echo lives' HUP; echo ready; while :; do sleep 0.02; done";
        let mut run = files.start(&["--kill-after", "100ms"], script);
        assert_eq!(run.line().await, "ready");
        run.signal(Signal::HUP);
        assert_eq!((run.line().await, run.line().await), ("reloaded".into(), "lives".into()));
        run.signal(Signal::TERM);
        assert_eq!(run.code().await, Some(143));
    });
}

/// The terminal is not its own: the system stops it, and nobody else says so.
#[test]
fn a_command_that_waits_for_the_terminal_is_told_of() {
    smol::block_on(async {
        let files = Files::new();
        let run = format!("exec {LESSOR} run --key nightly --storage leases.db -- sh -c 'read line; echo never'");
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &run, "/dev/null"]).current_dir(files.folder.path());
        terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut terminal = terminal.spawn().unwrap();
        let mut said = lines(terminal.stdout.take().unwrap());
        while !line(&mut said).await.contains("it waits for the terminal, which it cannot have; give it `</dev/null`") {
        }
        // Ctrl-C.
        terminal.stdin.as_mut().unwrap().write_all(b"\x03").await.unwrap();
        assert_eq!(within(terminal.status()).await.unwrap().code(), Some(130));
    });
}
