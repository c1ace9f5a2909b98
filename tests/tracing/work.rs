//! What is said when a candidate begins, and of the work that it leads for.

use std::future::pending;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::{Either, select};
use lessor::{Builder, Group, Id, Then, Timer};
use tracing::Level;

use crate::faulty::{Fault, candidate, entropy, fixture, ms, secs, spawned};
use crate::log::{assert_lines, logged, wait};

/// Whoever starts it again after a crash sees nothing for a ttl, and reads why. It is said once.
#[test]
fn a_new_candidate_says_whom_it_waits_for() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        let mut run = Box::pin(driver.run());
        timer.block_on(select(&mut run, Box::pin(a.elected()))).unwrap();
        drop((run, a));
        wait(&timer, secs(3));
        log.lines();
        let (again, driver) = Builder::new("k").id("a").build_with(storage, timer.clone(), entropy(7)).unwrap();
        timer.spawn(driver.run());
        timer.block_on(again.elected()).unwrap().unwrap();
        assert_lines(
            log,
            &[
                r#"INFO lessor: waits for the leader key="k" id="a" term=1 leader="a" time_left=7s"#,
                r#"INFO lessor: elected key="k" id="a" term=2 time_left=9s"#,
            ],
        );
    });
}

/// Nor does a storage that grants the key to nobody for a while leave it at silence.
#[test]
fn a_new_candidate_says_that_nobody_is_granted_the_key() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        timer.block_on(a.resign_to(Id::new("nobody").unwrap())).unwrap().unwrap();
        wait(&timer, secs(1));
        log.lines();
        let cool_off = a.config().cool_off;
        let (b, driver) = Builder::new("k").id("b").build_with(storage, timer.clone(), entropy(1)).unwrap();
        timer.spawn(driver.run());
        wait(&timer, ms(1));
        let left = cool_off - secs(1);
        assert_lines(
            log,
            &[&format!(r#"INFO lessor: waits until the storage grants the key key="k" id="b" retry_after={left:?}"#)],
        );
        drop((a, b));
    });
}

/// A program whose only handle is gone ends at once; the log says why.
#[test]
fn a_candidate_without_handles_says_so() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let (_, driver) = candidate("a", &storage, &timer);
        timer.block_on(driver.run()).unwrap();
        assert_lines(log, &[r#"WARN lessor: stopped: its last handle was dropped key="k" id="a""#]);
        let (b, driver) = candidate("b", &storage, &timer);
        let mut run = Box::pin(driver.run());
        timer.block_on(select(&mut run, Box::pin(b.elected()))).unwrap();
        log.lines();
        drop(b);
        timer.block_on(run).unwrap();
        let last = r#"INFO lessor: stopped: its last handle was dropped key="k" id="b""#;
        assert_eq!(log.lines().last().map(String::as_str), Some(last));
    });
}

/// Who only looks at first, since others are to go first, says the same.
#[test]
fn a_patient_candidate_says_whom_it_waits_for() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        log.lines();
        let builder = Builder::new("k").id("b").claim_delay(secs(20));
        let (b, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(7)).unwrap();
        timer.spawn(driver.run());
        // An observer waits for nobody, and candidates of a group are very many.
        let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), || 7).unwrap();
        timer.spawn(driver.run());
        let (group, driver) = Group::builder().build_with(storage, timer.clone(), entropy(8)).unwrap();
        group.add(Builder::new("k")).unwrap();
        timer.spawn(driver.run());
        wait(&timer, secs(3600));
        assert_lines(log, &[r#"INFO lessor: waits for the leader key="k" id="b" term=1 leader="a" time_left=10s"#]);
        drop((b, observer, group));
    });
}

/// Whoever led has begun long ago.
#[test]
fn a_former_leader_does_not_say_it() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        let b = spawned("b", &storage, &timer);
        wait(&timer, secs(1));
        timer.block_on(a.resign()).unwrap().unwrap();
        timer.block_on(b.elected()).unwrap().unwrap();
        wait(&timer, secs(60));
        log.lines();
        wait(&timer, secs(3600));
        assert_lines(log, &[]);
        drop((a, b));
    });
}

/// Who forgot to spawn it would wait for ever, and hear nothing.
#[test]
fn a_driver_that_nobody_polls_is_told() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let (a, _driver) = candidate("a", &storage, &timer);
        let lead = Box::pin(a.lead(async |_| pending().await));
        timer.block_on(select(lead, timer.sleep(secs(3600)))).unwrap();
        assert_lines(log, &[r#"WARN lessor: nobody polls the driver: spawn its run() key="k" id="a" overdue=10s"#]);

        // A follower waits for as long, and is well.
        let b = spawned("b", &storage, &timer);
        timer.block_on(b.elected()).unwrap().unwrap();
        let c = spawned("c", &storage, &timer);
        let lead = Box::pin(c.lead(async |_| pending().await));
        timer.block_on(select(lead, timer.sleep(secs(3600)))).unwrap();
        assert_lines(log, &[]);
    });
}

/// A stop is a stop, even if the last handle goes right after it.
#[test]
fn a_stop_is_not_taken_for_a_dropped_handle() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        let _ = a.shutdown().now_or_never();
        drop(a);
        timer.block_on(driver.run()).unwrap();
        assert_lines(log, &[r#"INFO lessor: stopped key="k" id="a""#]);
    });
}

/// The next one waits for a ttl: that is worth a line.
#[test]
fn a_release_that_did_not_get_through_is_a_warning() {
    for dropped in [false, true] {
        logged(Level::WARN, |log| {
            let (timer, storage) = fixture();
            let (a, driver) = candidate("a", &storage, &timer);
            let mut run = Box::pin(driver.run());
            timer.block_on(select(&mut run, Box::pin(a.elected()))).unwrap();
            storage.set(Fault::Refuse);
            drop(a);
            if dropped {
                // Between the first attempt and the second.
                timer.block_on(select(&mut run, timer.sleep(ms(1)))).unwrap();
                assert_eq!(storage.releases(), 1);
            } else {
                timer.block_on(&mut run).unwrap();
            }
            drop(run);
            let end = if dropped { "the driver was dropped" } else { "stopped" };
            let failed = r#"WARN lessor: the storage fails key="k" id="a" operation="release" error=transient storage error: refused"#;
            let last = format!(r#"WARN lessor: {end} before its lease was released: it has to run out key="k" id="a""#);
            assert_lines(log, &[failed, &last]);
        });
    }
}

/// Each line that the code can write stands in the guide's table.
#[test]
fn each_message_is_documented() {
    let page = include_str!("../../src/guide/telemetry.md");
    let code = [include_str!("../../src/telemetry/trace.rs"), include_str!("../../src/telemetry/work.rs")];
    let mut found = 0;
    for text in code.iter().flat_map(|code| code.split("tell!(").skip(1)) {
        let text = &text[..text.find(')').unwrap_or(text.len())];
        let Some(message) = text.rsplit('"').nth(1).filter(|_| text.contains('"')) else { continue };
        found += 1;
        assert!(page.contains(&format!("`{message}`")), "{message}");
    }
    assert!(found > 15, "{found}");
}

/// In an ending term an error is what `?` says of the end.
#[test]
fn work_that_fails_at_the_end_of_its_term_is_none() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        timer.spawn(driver.run_until(timer.sleep(secs(5))));
        let lead = a.lead_guarded(async |guard| guard.run(pending::<()>()).await.into());
        assert_eq!(timer.block_on(lead), Some(Ok(())));
        assert_lines(log, &[]);
    });
}

/// It leads on and does nothing: once a term that is said.
#[test]
fn work_that_is_done_is_told() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        timer.spawn(driver.run_until(timer.sleep(secs(60))));
        assert_eq!(timer.block_on(a.lead(async |_| Then::NextTerm)), Some(Ok(())));
        let done = r#"INFO lessor: the work has ended: the candidate leads on without work until its next term key="k" id="a" term=1"#;
        assert_eq!(log.lines().get(1).map(String::as_str), Some(done));
    });
}

#[test]
fn guarded_work_that_is_cut_is_a_warning() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let (a, driver) = Builder::new("k").id("a").slots(2).build_with(storage, timer.clone(), entropy(1)).unwrap();
        timer.spawn(driver.run_until(timer.sleep(secs(5))));
        let lead = a.lead_guarded(async |_guard| pending().await);
        assert_eq!(timer.block_on(lead), Some(Ok(())));
        let cut = r#"WARN lessor: guarded work was dropped at the end of its term key="k" id="a" term=1 slot="#;
        let lines = log.lines();
        assert!(lines.len() == 1 && lines[0].starts_with(cut), "{lines:?}");
    });
}

/// Between two pieces of work nothing is dropped; and a driver that is gone hands nothing over.
#[test]
fn a_drop_without_work_is_no_warning() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let lead = Box::pin(a.lead(async |_| Then::NextTerm));
        timer.block_on(select(lead, timer.sleep(secs(60)))).unwrap();
        assert_lines(log, &[]);

        let (b, driver) = Builder::new("other").id("b").build_with(storage, timer.clone(), entropy(7)).unwrap();
        let run = Box::pin(driver.run());
        let mut lead = Box::pin(b.lead(async |_| pending().await));
        let both = select(run, select(&mut lead, timer.sleep(secs(1))));
        let Either::Right((_, run)) = timer.block_on(both).unwrap() else { panic!("it runs") };
        drop(run);
        log.lines();
        drop(lead);
        assert_lines(log, &[]);
    });
}

#[test]
fn work_that_fails_is_a_warning() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let mut begun = 0;
        let lead = a.lead(|_| {
            begun += 1;
            let then = if begun == 1 { Err::<(), _>("the disk is full").into() } else { Then::Stop };
            async { then }
        });
        assert_eq!(timer.block_on(lead), Some(Ok(())));
        assert_lines(log, &[r#"WARN lessor: the work failed key="k" id="a" term=1 error="the disk is full""#]);
    });
}

#[test]
fn work_that_dies_is_a_warning() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let lead = AssertUnwindSafe(a.lead(|_| async { panic!("a bug in the work") })).catch_unwind();
        assert!(timer.block_on(lead).unwrap().is_err());
        wait(&timer, secs(1));
        let died = r#"WARN lessor: the work panicked or was dropped: the candidate hands over and stops key="k" id="a" term=1"#;
        assert_lines(log, &[died]);
    });
}

/// Work that does not await keeps the thread beyond the term: nothing can drop it, and nobody else would say so.
#[test]
fn work_that_outlives_its_term_is_a_warning() {
    logged(Level::WARN, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let lead = a.lead(|leadership| {
            let timer = timer.clone();
            async move {
                // As a call that blocks: nothing else runs meanwhile.
                timer.advance(secs(60));
                assert!(!leadership.is_valid());
                Then::Stop
            }
        });
        assert_eq!(timer.block_on(lead), Some(Ok(())));
        let lines = log.lines();
        let outlived = r#"WARN lessor: the work ended after its term key="k" id="a" term=1"#;
        assert!(lines.iter().any(|line| line == outlived), "{lines:?}");
    });
}
