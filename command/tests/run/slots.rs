//! `--slots` and `--priority`: more than one leads, and who leads next.

use rustix::process::Signal;

use crate::process::{Files, err, line, lines, out, within};

/// R22: two at once, each in a slot of its own, with a term of its own.
#[test]
fn two_lead_at_once() {
    smol::block_on(async {
        let files = Files::new();
        let script = "echo $LESSOR_SLOT $LESSOR_TERM; exec sleep 1000";
        let mut first = files.start(&["--slots", "2"], script);
        let mut second = files.start(&["--slots", "2"], script);
        let mut led = [first.line().await, second.line().await];
        led.sort();
        assert_eq!(led, ["0 1", "1 1"]);
        let third = files.output(&["--slots", "2", "--wait", "2s"], "echo never").await;
        assert_eq!((third.status.code(), out(&third)), (Some(121), ""), "{third:?}");
        assert!(err(&third).contains("the leader is"), "{third:?}");
        for run in [&mut first, &mut second] {
            run.signal(Signal::TERM);
            assert_eq!(run.code().await, Some(143));
        }
    });
}

/// The slot of another `lessor run`, around it, is not its own.
#[test]
fn without_slots_there_is_no_slot() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.command(&["--quiet"], "echo ${LESSOR_SLOT-none}");
        let output = within(run.env("LESSOR_SLOT", "3").output()).await.unwrap();
        assert_eq!(out(&output), "none\n", "{output:?}");
    });
}

/// Of two that wait, the one that is preferred leads next, though it came later.
#[test]
fn the_preferred_leads_next() {
    smol::block_on(async {
        let files = Files::new();
        // The others let the preferred one go first for two fifths of the ttl.
        let mut leader = files.start(&["--ttl", "10s"], "echo leads; exec sleep 1000");
        assert_eq!(leader.line().await, "leads");
        let mut waiting = Vec::new();
        for (name, priority) in [("other", "1"), ("preferred", "0")] {
            let mut run = files
                .command(&["--ttl", "10s", "--priority", priority], &format!("echo {name} >>order"))
                .spawn()
                .unwrap();
            let mut said = lines(run.stderr.take().unwrap());
            assert!(line(&mut said).await.contains("waits: the leader is"));
            waiting.push(run);
        }
        leader.signal(Signal::TERM);
        for mut run in waiting {
            assert_eq!(within(run.status()).await.unwrap().code(), Some(0));
        }
        assert_eq!(std::fs::read_to_string(files.path("order")).unwrap(), "preferred\nother\n");
    });
}
