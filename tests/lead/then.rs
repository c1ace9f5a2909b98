//! What comes after work that has ended.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::faulty::{candidate, entropy, fixture, ms, secs, spawned};
use futures::FutureExt;
use futures::future::select;
use lessor::{Builder, Role, Then, Timer};

use crate::lead_for;

/// Done once a term, however short it is: it used to be begun 45,000 times a second.
#[test]
fn work_that_ends_is_begun_again_in_the_next_term() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let terms = Rc::new(Cell::new(0));
    let begun = terms.clone();
    let observed = a.clone();
    timer.spawn({
        let timer = timer.clone();
        async move {
            timer.sleep(secs(500)).await;
            observed.resign().await.unwrap();
        }
    });
    lead_for(&timer, &a, secs(1000), |leadership| {
        begun.set(begun.get() + 1);
        assert_eq!(leadership.term().get(), begun.get());
        async { Then::NextTerm }
    });
    assert_eq!(terms.get(), 2);
}

#[test]
fn work_that_fails_is_left_to_another() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(1))).unwrap();
    let mut failed = 0;
    lead_for(&timer, &a, secs(1000), |_| {
        failed += 1;
        async { Err::<(), _>("the disk is full").into() }
    });
    assert_eq!((failed, b.leadership().unwrap().term().get()), (1, 2), "another leads from then on");
}

/// Without a cool-off too there is a pause.
#[test]
fn work_that_fails_does_not_spin() {
    let (timer, storage) = fixture();
    let builder = Builder::new("k").id("a").cool_off(Duration::ZERO);
    let (a, driver) = builder.build_with(storage, timer.clone(), entropy(1)).unwrap();
    timer.spawn(driver.run());
    let mut failed = 0_u32;
    lead_for(&timer, &a, secs(10), |_| {
        failed += 1;
        async { Then::Failed("the disk is full".into()) }
    });
    assert!((15..=21).contains(&failed), "{failed}");
}

/// Alone it is tried again after each cool-off, and no sooner.
#[test]
fn work_that_fails_is_tried_again_where_there_is_no_other() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let mut failed = 0_u32;
    lead_for(&timer, &a, a.config().cool_off * 100, |_| {
        failed += 1;
        async { Then::Resign }
    });
    assert!((80..=101).contains(&failed), "{failed}");
}

#[test]
fn work_is_begun_again_after_a_pause() {
    for (pause, least) in [(secs(1), ms(1000)), (Duration::ZERO, ms(1))] {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let mut begun = 0_u32;
        let (mut last, mut term) = (None, None);
        let clock = timer.clone();
        lead_for(&timer, &a, secs(120), |leadership| {
            begun += 1;
            let now = clock.now();
            assert!(last.replace(now).is_none_or(|last| now >= last.saturating_add(least)));
            assert!(term.replace(leadership.term()).is_none_or(|term| term == leadership.term()), "in one term");
            let over = begun == 100;
            async move { if over { pending().await } else { Then::Again(pause) } }
        });
        assert_eq!(begun, 100);
    }
}

/// Whoever pauses hands over at once.
#[test]
fn a_pause_ends_with_the_term() {
    for then in [Then::Again(secs(3600)), Then::NextTerm] {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let clone = a.clone();
        let clock = timer.clone();
        timer.spawn(async move {
            clock.sleep(secs(60)).await;
            clone.resign().await.unwrap();
        });
        let mut terms = Vec::new();
        lead_for(&timer, &a, secs(600), |leadership| {
            terms.push(leadership.term().get());
            let then = then.clone();
            async move { then }
        });
        assert_eq!(terms, [1, 2]);
    }
}

#[test]
fn work_stops_the_candidate() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run());
    let lead = a.lead(|_| async { Then::Stop });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!((a.status().role, storage.releases()), (Role::Stopped, 1));
    let b = spawned("b", &storage, &timer);
    timer.block_on(b.elected()).unwrap().unwrap();
}

/// Work that kept its thread until another term has begun speaks of its own term.
#[test]
fn a_late_answer_resigns_no_later_term() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let mut terms = Vec::new();
    let mut lead = Box::pin(a.lead(|leadership| {
        terms.push(leadership.term().get());
        let is_first = terms.len() == 1;
        let (timer, a) = (&timer, &a);
        async move {
            if !is_first {
                return pending().await;
            }
            timer.block_on(a.resign()).unwrap().unwrap();
            timer.block_on(a.elected()).unwrap().unwrap();
            Then::Resign
        }
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(lead.poll_unpin(&mut cx).is_pending());
    timer.block_on(select(&mut lead, timer.sleep(secs(60)))).unwrap();
    assert_eq!(a.leadership().unwrap().term().get(), 2);
    drop(lead);
    assert_eq!(terms, [1, 2]);
}

/// What a result says by `into()`.
#[test]
fn a_result_says_what_comes_then() {
    assert_eq!(Then::from(()), Then::NextTerm);
    assert_eq!(Then::from(Ok::<_, String>(())), Then::NextTerm);
    assert_eq!(Then::from(Ok::<_, String>(Then::Again(secs(1)))), Then::Again(secs(1)));
    let full = || Then::Failed("the disk is full".into());
    assert_eq!(Then::from(Err::<(), _>("the disk is full")), full());
    let boxed: Box<dyn std::error::Error> = "the disk is full".into();
    assert_eq!(Then::from(Ok::<_, String>(Err::<Then, _>(boxed))), full());
}
