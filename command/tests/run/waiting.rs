//! Who waits, for how long, and what becomes of it.

use rustix::process::Signal;

use crate::process::{Files, err, kill, line, lines, out, within};

/// From cron, on many machines: that another was faster is no error there.
#[test]
fn a_conflict_has_the_code_that_is_wanted() {
    smol::block_on(async {
        let files = Files::new();
        let mut leader = files.start(&[], "echo ready; exec sleep 1000");
        assert_eq!(leader.line().await, "ready");
        let refused = |code: &'static str| ["--wait", "0", "--conflict-exit-code", code];
        let output = files.output(&[&refused("0")[..], &["--quiet"]].concat(), "echo never").await;
        assert_eq!((output.status.code(), out(&output), err(&output)), (Some(0), "", ""), "{output:?}");
        for options in [&refused("7")[..], &["--wait", "0", "-E", "7", "--quiet"]] {
            let output = files.output(options, "echo never").await;
            assert_eq!((output.status.code(), out(&output)), (Some(7), ""), "{output:?}");
            assert!(err(&output).contains("not elected: the leader is "), "{output:?}");
        }
        leader.signal(Signal::TERM);
        assert_eq!(leader.code().await, Some(143));
        let blocked = files.block_storage();
        let output = files.output(&refused("0"), "echo never").await;
        assert_eq!((output.status.code(), out(&output)), (Some(123), ""), "{output:?}");
        drop(blocked);
        let output = files.output(&refused("0"), "exit 121").await;
        assert_eq!(output.status.code(), Some(121), "the command's own: {output:?}");
    });
}

/// Who waits can be told not to, by time and by signal.
#[test]
fn waiting_ends() {
    smol::block_on(async {
        let files = Files::new();
        let mut leader = files.start(&["--id", "node-a", "--wait", "0"], "echo ready; exec sleep 1000");
        assert_eq!(leader.line().await, "ready");
        for wait in ["0", "2s"] {
            let output = files.output(&["--wait", wait], "echo never").await;
            assert_eq!((output.status.code(), out(&output)), (Some(121), ""), "{output:?}");
            assert!(err(&output).contains("the leader is node-a, term 1, "), "{output:?}");
        }
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
            let mut waiting = files.command(&[], "echo never").spawn().unwrap();
            let said = line(&mut lines(waiting.stderr.take().unwrap())).await;
            assert!(said.contains("waits: the leader is node-a, term 1, "), "{said}");
            kill(&waiting, signal);
            let output = within(waiting.output()).await.unwrap();
            assert_eq!((output.status.code(), out(&output)), (Some(code), ""), "{output:?}");
        }
        leader.signal(Signal::TERM);
        assert_eq!(leader.code().await, Some(143));
        let _blocked = files.block_storage();
        let output = files.output(&["--wait", "0"], "echo never").await;
        assert_eq!((output.status.code(), out(&output)), (Some(123), ""), "{output:?}");
    });
}
