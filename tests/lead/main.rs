//! Work for as long as a candidate leads: what begins it, and what ends it.

mod dies;
#[path = "../faulty/mod.rs"]
mod faulty;
mod guarded;
mod then;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use faulty::{Fault, Faulty, candidate, fixture, secs, spawned};
use futures::FutureExt;
use futures::future::select;
use lessor::{Abandoned, Candidate, Leadership, ManualTimer, Role, Then, Timer};

/// For a while, or until the work is over.
pub(crate) fn lead_for<W: Future<Output = Then>>(
    timer: &ManualTimer,
    candidate: &Candidate,
    duration: Duration,
    work: impl FnMut(Leadership) -> W,
) {
    let lead = Box::pin(candidate.lead(work));
    timer.block_on(select(lead, timer.sleep(duration))).unwrap();
}

#[test]
fn work_is_done_while_the_candidate_leads() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run_until(timer.sleep(secs(100))));
    let (chapters, dropped) = (Cell::new(0), Cell::new(false));
    let lead = a.lead(|leadership| {
        let (timer, chapters, dropped) = (&timer, &chapters, &dropped);
        async move {
            let _noticed = Noticed(dropped);
            loop {
                assert!(leadership.is_valid());
                timer.sleep(secs(7)).await;
                chapters.set(chapters.get() + 1);
            }
        }
    });
    assert_eq!(timer.block_on(lead), Some(Ok::<(), Abandoned>(())), "it ends with the driver");
    assert_eq!((chapters.get(), dropped.get()), (14, true));
    assert_eq!((a.status().role, storage.releases()), (Role::Stopped, 1));
}

pub(crate) struct Noticed<'a>(pub(crate) &'a Cell<bool>);

impl Drop for Noticed<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_dropped_driver_is_an_error() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let cut = select(Box::pin(driver.run()), timer.sleep(secs(30)));
    timer.spawn(async { drop(cut.await) });
    let answer: Option<Result<(), Abandoned>> = timer.block_on(a.lead(|_| pending()));
    assert!(matches!(answer, Some(Err(_))), "{answer:?}");
}

/// The term ends, the work is dropped, and the next term has work again.
#[test]
fn a_lost_term_drops_the_work() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let (way, clock) = (storage.clone(), timer.clone());
    timer.spawn(async move {
        clock.sleep(secs(100)).await;
        way.set(Fault::Refuse);
        clock.sleep(secs(60)).await;
        way.set(Fault::None);
    });
    let mut terms = Vec::new();
    let worked = Cell::new(Duration::ZERO);
    lead_for(&timer, &a, secs(300), |leadership| {
        terms.push(leadership.term().get());
        let (timer, worked) = (&timer, &worked);
        async move {
            loop {
                timer.sleep(secs(1)).await;
                assert!(leadership.is_valid());
                worked.set(worked.get() + secs(1));
            }
        }
    });
    assert_eq!(terms, [1, 2]);
    assert!((secs(200)..secs(260)).contains(&worked.get()), "{:?}", worked.get());
}

/// The lease is not released before the work is dropped, and what it borrows with it.
#[test]
fn the_work_is_dropped_before_the_release() {
    let (timer, storage) = fixture();
    struct Last(Faulty, Rc<Cell<Option<usize>>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.1.set(Some(self.0.releases()));
        }
    }
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run_until(timer.sleep(secs(5))));
    let seen = Rc::new(Cell::new(None));
    let lead = a.lead(async |_| {
        let _last = Last(storage.clone(), seen.clone());
        pending().await
    });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!((seen.get(), storage.releases()), (Some(0), 1));
}

/// Nothing of the work runs without its guard, not even what comes before its first await: a hand-over waits.
#[test]
fn the_work_begins_under_its_guard() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let (stopper, waited) = (a.clone(), Cell::new(None));
    let mut lead = Box::pin(a.lead(|_| {
        let begin = timer.now();
        timer.block_on(stopper.shutdown()).unwrap().unwrap();
        waited.set(Some(timer.now().saturating_duration_since(begin)));
        pending()
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(lead.poll_unpin(&mut cx).is_pending());
    assert_eq!(waited.get(), Some(a.config().drain_timeout));
}

/// It may be spawned, where the work may.
#[test]
fn it_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let (timer, storage) = fixture();
    let (a, _driver) = candidate("a", &storage, &timer);
    is_send(&a.lead(|leadership| async move { leadership.run(pending::<()>()).await.into() }));
    is_send(&a.lead_guarded(|guard| async move { guard.run(pending::<()>()).await.into() }));
    is_send(&a.downgrade());
}

/// What is written most: work that borrows what its task has, spawned with it.
async fn task(candidate: Candidate, text: String) {
    async fn work(_: &str, _: &Leadership) {
        pending().await
    }
    let lead = candidate.lead(async |leadership| {
        work(&text, &leadership).await;
        Then::NextTerm
    });
    lead.await.unwrap();
}

#[test]
fn it_can_be_spawned() {
    fn spawn(_: impl Send + 'static) {}
    let (timer, storage) = fixture();
    let (a, _driver) = candidate("a", &storage, &timer);
    spawn(task(a.clone(), String::new()));
    spawn(async move { a.lead_guarded(async |guard| guard.run(pending::<()>()).await.into()).await });
}
