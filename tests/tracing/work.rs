//! What is said when a candidate begins, and of the work that it leads for.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use lessor::{Builder, Id, Then};
use tracing::Level;

use crate::faulty::{candidate, entropy, fixture, ms, secs, spawned};
use crate::log::{assert_lines, logged, wait};

/// Whoever starts it again after a crash sees nothing for a ttl, and reads why. It is said once.
#[test]
fn a_new_candidate_says_whom_it_waits_for() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        let mut run = Box::pin(driver.run());
        timer.block_on(futures::future::select(&mut run, Box::pin(a.elected()))).unwrap();
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
        assert_lines(log, &[r#"INFO lessor: stopped: its last handle was dropped key="k" id="a""#]);
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
