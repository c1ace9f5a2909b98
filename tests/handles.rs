//! Driver and handles over virtual time: what a user holds, and what stays true when something hangs, starves or is
//! dropped.

mod faulty;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use faulty::{Fault, Faulty, entropy};
use futures::future::{join, pending, select};
use futures::{FutureExt, StreamExt, pin_mut};
use lessor::{
    BuildError, Builder, Candidate, ConfigError, Driver, Event, Instant, LostReason, ManualTimer, MemoryStorage, Role,
    Stopped, Storage, Timer,
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

type Mine = (Candidate<ManualTimer>, Driver<Faulty, ManualTimer>);

fn candidate(id: &str, storage: &Faulty, timer: &ManualTimer) -> Mine {
    let seed = id.bytes().map(u64::from).sum();
    Builder::new("k").id(id).build_with(storage.clone(), timer.clone(), entropy(seed)).unwrap()
}

fn spawned(id: &str, storage: &Faulty, timer: &ManualTimer) -> Candidate<ManualTimer> {
    let (candidate, driver) = candidate(id, storage, timer);
    timer.spawn(driver.run());
    candidate
}

fn fixture() -> (ManualTimer, Faulty) {
    let timer = ManualTimer::new();
    let storage = Faulty::new(&timer);
    (timer, storage)
}

// === leading ===

#[test]
fn one_candidate_leads_and_goes_on() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    assert!(!a.is_leader() && a.leadership().is_none());
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    assert!(a.is_leader() && leadership.is_valid());
    assert_eq!(leadership.term().get(), 1);
    timer.block_on(timer.sleep(secs(3600))).unwrap();
    assert!(leadership.is_valid(), "renewed");
    assert_eq!(a.leadership().unwrap().term(), leadership.term());
}

/// Postures: one operation per renew interval for a leader, at most one read per retry interval for a follower.
#[test]
fn operations_per_candidate_are_bounded() {
    let timer = ManualTimer::new();
    let storage = Faulty::silent(&timer);
    let _a = spawned("a", &storage, &timer);
    let followers = storage.another_way();
    let _b = spawned("b", &followers, &timer);
    timer.block_on(timer.sleep(secs(2000))).unwrap();
    assert!((950..=1050).contains(&storage.renewals()), "{}", storage.renewals());
    assert_eq!(storage.acquires(), 1);
    assert!((950..=1050).contains(&followers.acquires()), "{}", followers.acquires());
    assert_eq!(followers.renewals() + followers.gets() + storage.gets(), 0);
}

/// Where the storage wakes its followers they need hardly read at all: the retry interval may be long.
#[test]
fn a_woken_follower_hardly_reads() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let followers = storage.another_way();
    let (b, driver) = Builder::new("k")
        .id("b")
        .retry_interval(secs(3600))
        .build_with(followers.clone(), timer.clone(), entropy(2))
        .unwrap();
    timer.spawn(driver.run());
    timer.block_on(timer.sleep(secs(1000))).unwrap();
    assert!(followers.acquires() <= 140, "about one per ttl: {}", followers.acquires());
    let before = timer.now();
    timer.block_on(async { a.shutdown().await.unwrap() }).unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(timer.now(), before, "woken at once");
}

/// R7: two candidates with the same id are two candidates; the one that does not lead knows it.
#[test]
fn the_same_id_is_no_proof() {
    let (timer, storage) = fixture();
    let twins = [1, 2].map(|seed| {
        let builder = Builder::new("k").id("twin");
        let (candidate, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(seed)).unwrap();
        timer.spawn(driver.run());
        candidate
    });
    for _ in 0..3 {
        timer.block_on(timer.sleep(secs(20))).unwrap();
        let leaders: Vec<_> = twins.iter().filter(|twin| twin.is_leader()).collect();
        assert_eq!(leaders.len(), 1);
        timer.block_on(leaders[0].resign()).unwrap().unwrap();
    }
}

// === the clock ===

/// R3: a hung storage cannot keep a leader believing; `lost` and `run` end at the deadline by their own sleep.
#[test]
fn a_hung_storage_keeps_nothing_true() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    storage.set(Fault::Hang);
    let lost = timer.block_on(leadership.run(pending::<()>())).unwrap().unwrap_err();
    assert_eq!(lost.term, leadership.term());
    assert_eq!(timer.now(), Instant::from_origin(secs(1) + secs(9)), "ttl less margin after the request was sent");
    assert!(!a.is_leader() && !leadership.is_valid() && leadership.remaining().is_zero());
}

/// R3: neither can a driver that is not polled any more.
#[test]
fn a_starved_driver_keeps_nothing_true() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let leadership = timer
        .block_on(async {
            let run = driver.run();
            pin_mut!(run);
            let elected = a.elected();
            pin_mut!(elected);
            let leadership = match select(elected, run).await {
                futures::future::Either::Left((leadership, _run)) => leadership.unwrap(),
                futures::future::Either::Right(_) => unreachable!(),
            };
            // From here on nobody polls the driver, and it is not dropped before this block ends.
            let lost = join(leadership.lost(), leadership.run(pending::<()>())).await;
            assert!(lost.1.is_err());
            assert!(!a.is_leader() && a.leadership().is_none());
            assert_eq!((a.status().role, a.status().term), (Role::Follower, None));
            leadership
        })
        .unwrap();
    assert_eq!(timer.now(), Instant::from_origin(secs(10)));
    assert!(!leadership.is_valid());
}

/// R2: what a pause made late grants nothing: the first look after it says no.
#[test]
fn a_paused_process_wakes_up_without_leadership() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    timer.advance(secs(9));
    assert!(!a.is_leader() && leadership.check(Duration::ZERO).is_err());
}

/// Dropping the driver ends every waiter and keeps nothing true.
#[test]
fn a_dropped_driver_ends_every_waiter() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let (b, b_driver) = candidate("b", &storage, &timer);
    timer.spawn(b_driver.run());
    timer.block_on(b.elected()).unwrap().unwrap();
    let mut events = a.events();
    let waiters = async {
        let changes = async {
            loop {
                if let Err(stopped) = a.leader_changed().await {
                    return stopped;
                }
            }
        };
        let (elected, stopped) = join(a.elected(), changes).await;
        (elected.err(), Some(stopped))
    };
    let outcome = timer.block_on(join(waiters, async {
        let run = driver.run();
        pin_mut!(run);
        select(run, timer.sleep(secs(5))).await;
    }));
    assert_eq!(outcome.unwrap().0, (Some(Stopped), Some(Stopped)));
    assert_eq!(timer.block_on(a.shutdown()), Some(Err(Stopped)), "it could not release");
    assert_eq!(timer.block_on(a.resign()), Some(Err(Stopped)));
    assert_eq!(timer.block_on(a.set_value(None)), Some(Err(Stopped)));
    assert!(!a.status().driver_alive);
    let events: Vec<_> = timer.block_on(events.by_ref().collect()).unwrap();
    assert_eq!(events.iter().filter(|event| **event == Event::Stopped).count(), 1);
    assert_eq!(events.last(), Some(&Event::Stopped));
}

/// Dropping the driver of a leader: lost at once, not at the deadline.
#[test]
fn a_dropped_driver_of_a_leader_loses_at_once() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let leadership = timer
        .block_on(async {
            let run = driver.run();
            let elected = a.elected();
            pin_mut!(run, elected);
            match select(elected, run).await {
                futures::future::Either::Left((leadership, _)) => leadership.unwrap(),
                futures::future::Either::Right(_) => unreachable!(),
            }
        })
        .unwrap();
    assert_eq!(timer.now(), Instant::from_origin(secs(1)));
    assert!(!a.is_leader() && !leadership.is_valid());
    let lost = timer.block_on(leadership.lost()).unwrap();
    assert_eq!(lost.to_string(), "term 1 has ended: the driver was dropped");
}

/// R6: a `Leadership` held over lose-and-win-again stays lost; the new reign has another term.
#[test]
fn a_leadership_never_comes_back() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let first = timer.block_on(a.elected()).unwrap().unwrap();
    storage.set(Fault::Refuse);
    timer.block_on(first.lost()).unwrap();
    storage.set(Fault::None);
    let second = timer.block_on(a.elected()).unwrap().unwrap();
    assert!(second.term() > first.term());
    assert!(second.is_valid() && !first.is_valid());
    assert!(first.guard().is_err() && first.check(Duration::ZERO).is_err());
    assert!(timer.block_on(first.run(async {})).unwrap().is_err());
}

/// R6: a lost reply is healed by asking again, with the same term.
#[test]
fn a_lost_reply_is_healed() {
    let timer = ManualTimer::new();
    let storage = Faulty::silent(&timer);
    storage.set(Fault::LoseReply);
    let a = spawned("a", &storage, &timer);
    timer.block_on(timer.sleep(ms(1))).unwrap();
    assert!(!a.is_leader() && storage.acquires() == 1);
    storage.set(Fault::None);
    assert_eq!(timer.block_on(a.elected()).unwrap().unwrap().term().get(), 1);
}

/// R14: the storage may be away for most of a ttl.
#[test]
fn an_outage_shorter_than_the_lease_costs_nothing() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    for fault in [Fault::Refuse, Fault::Hang, Fault::LoseReply] {
        storage.set(fault);
        timer.block_on(timer.sleep(secs(6))).unwrap();
        assert!(a.status().failures > 0 && a.status().last_error.is_some());
        storage.set(Fault::None);
        timer.block_on(timer.sleep(secs(4))).unwrap();
        assert!(leadership.is_valid(), "{fault:?}");
    }
}

/// R6: whoever was told that a term is over is not told the opposite later: a renewal that was applied during a pause
/// of the driver comes too late once anybody has looked.
#[test]
fn what_was_seen_to_end_does_not_come_back() {
    for looks in [false, true] {
        let (timer, storage) = fixture();
        let clock =
            Pausing { timer: timer.clone(), storage: storage.clone(), seen: Arc::default(), paused: Arc::default() };
        let (a, driver) = Builder::new("k").id("a").build_with(storage, clock.clone(), entropy(1)).unwrap();
        timer.spawn(driver.run());
        let leadership = timer.block_on(a.elected()).unwrap().unwrap();
        if looks {
            *clock.seen.lock().unwrap() = Some(leadership.clone());
        }
        while !clock.paused.load(Ordering::SeqCst) {
            timer.block_on(timer.sleep(ms(100))).unwrap();
        }
        assert_eq!(leadership.is_valid(), !looks);
        let next = timer.block_on(a.elected()).unwrap().unwrap();
        assert_eq!(next.term().get(), if looks { 2 } else { 1 });
    }
}

/// A clock whose reader is paused once, when it reads the time for the reply to its first renewal: it goes on with
/// that reading eight seconds later, and in between somebody may look.
#[derive(Clone)]
struct Pausing {
    timer: ManualTimer,
    storage: Faulty,
    seen: Arc<std::sync::Mutex<Option<lessor::Leadership<Self>>>>,
    paused: Arc<AtomicBool>,
}

impl Timer for Pausing {
    type Sleep = <ManualTimer as Timer>::Sleep;

    fn now(&self) -> Instant {
        let now = self.timer.now();
        if self.storage.renewals() == 0 || self.paused.swap(true, Ordering::SeqCst) {
            return now;
        }
        self.timer.advance(secs(8));
        let seen = self.seen.lock().unwrap().take();
        if let Some(leadership) = seen {
            assert!(!leadership.is_valid());
        }
        now
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.timer.sleep(duration)
    }
}

/// A waker may do anything, such as asking the candidate: no lock is held meanwhile.
#[test]
fn wakers_may_ask() {
    struct Asking(Candidate<ManualTimer>, AtomicUsize);
    impl std::task::Wake for Asking {
        fn wake(self: Arc<Self>) {
            let _ = (self.0.leader(), self.0.status(), self.0.events(), self.0.leadership());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let asking = Arc::new(Asking(a.clone(), AtomicUsize::new(0)));
    let waker = std::task::Waker::from(asking.clone());
    let mut context = std::task::Context::from_waker(&waker);
    let mut events = a.events();
    assert!(events.poll_next_unpin(&mut context).is_ready());
    assert!(events.poll_next_unpin(&mut context).is_pending());
    let elected = a.elected();
    pin_mut!(elected);
    assert!(elected.as_mut().poll(&mut context).is_pending());
    timer.spawn(driver.run());
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert!(asking.1.load(Ordering::SeqCst) >= 2);
}

// === handing over ===

/// R9: the release waits for every guard; work in `run` is dropped when the ending begins.
#[test]
fn a_release_waits_for_the_work() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let b = spawned("b", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let dropped = Arc::new(AtomicBool::new(false));

    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let guard = leadership.guard().unwrap();
    let flag = Flag(dropped.clone());
    let work = leadership.run(async move {
        let _flag = flag;
        pending::<()>().await
    });
    let hand_over = async {
        a.resign().await.unwrap();
        timer.now()
    };
    let careful = async {
        guard.ending().await;
        assert!(!a.is_leader() && a.leadership().is_none(), "no new work");
        assert!(leadership.guard().is_err());
        timer.sleep(secs(5)).await;
        assert!(leadership.is_valid(), "renewed meanwhile");
        assert_eq!((storage.releases(), a.status().role), (0, Role::Ending));
        assert!(!b.is_leader());
        drop(guard);
        timer.now()
    };
    let ((released, done), work) = timer.block_on(join(join(hand_over, careful), work)).unwrap();
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(work.unwrap_err().to_string(), "term 1 is ending: the candidate resigned");
    assert_eq!((released, storage.releases()), (done, 1));
    assert_eq!(timer.block_on(b.elected()).unwrap().unwrap().term().get(), 2);
}

/// R9: a clone of a guard holds as well, also one that was made while the term was ending.
#[test]
fn a_cloned_guard_holds_too() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let first = leadership.guard().unwrap();
    let before = timer.now();
    let work = async {
        first.ending().await;
        let second = first.clone();
        drop(first);
        timer.sleep(secs(3)).await;
        drop(second);
    };
    timer.block_on(join(a.resign(), work)).unwrap().0.unwrap();
    assert_eq!(timer.now().saturating_duration_since(before), secs(3));
}

/// A loss says why, and tells an end from an ending and from too little time.
#[test]
fn a_loss_says_why() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let short = leadership.check(secs(20)).unwrap_err();
    assert_eq!((short.reason, short.to_string()), (None, "term 1 has only 9s left".to_string()));
    let guard = leadership.guard().unwrap();
    let ending = async {
        guard.ending().await;
        let ending = leadership.guard().unwrap_err();
        assert_eq!((ending.reason, ending.remaining), (Some(LostReason::Resigned), secs(9)));
        drop(guard);
    };
    timer.block_on(join(a.resign(), ending)).unwrap().0.unwrap();
    let lost = timer.block_on(leadership.lost()).unwrap();
    assert_eq!(lost.to_string(), "term 1 has ended: the candidate resigned");
}

/// R9: a guard that is never given back delays the release by the drain timeout, no longer.
#[test]
fn a_forgotten_guard_does_not_hold_for_ever() {
    let (timer, storage) = fixture();
    let (a, driver) =
        Builder::new("k").drain_timeout(secs(3)).build_with(storage.clone(), timer.clone(), entropy(1)).unwrap();
    timer.spawn(driver.run());
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let _guard = leadership.guard().unwrap();
    let before = timer.now();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    assert_eq!(timer.now().saturating_duration_since(before), secs(3));
    assert!(!leadership.is_valid());
}

/// R12: a hand-over takes one release, one wake-up, one acquire: no time at all where the storage wakes.
#[test]
fn a_woken_follower_leads_at_once() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(5))).unwrap();
    let before = timer.now();
    timer.block_on(a.resign()).unwrap().unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(timer.now(), before);
}

/// R12: without wake-ups it takes at most one retry interval.
#[test]
fn an_unwoken_follower_leads_within_its_retry_interval() {
    let timer = ManualTimer::new();
    let storage = Faulty::silent(&timer);
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(5))).unwrap();
    let before = timer.now();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert!(timer.now().saturating_duration_since(before) <= ms(2200));
}

/// After a crash somebody leads within the ttl and a hundredth of it.
#[test]
fn a_crashed_leader_is_replaced_when_its_lease_ends() {
    let (timer, storage) = fixture();
    let broken = storage.another_way();
    let a = spawned("a", &broken, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    broken.set(Fault::Hang);
    timer.block_on(b.elected()).unwrap().unwrap();
    let elapsed = timer.now().saturating_duration_since(Instant::from_origin(secs(1)));
    assert!(elapsed > secs(10) && elapsed <= ms(10_100), "{elapsed:?}");
    assert!(!a.is_leader());
}

/// The end of the last handle stops the driver, which releases first. A leadership is a handle, events are none.
#[test]
fn the_last_handle_stops_and_releases() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let ended = Arc::new(AtomicBool::new(false));
    let ended2 = ended.clone();
    timer.spawn(async move {
        driver.run().await;
        ended2.store(true, Ordering::SeqCst);
    });
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let events = a.events();
    drop(a.clone());
    drop(a);
    timer.block_on(timer.sleep(secs(20))).unwrap();
    assert!(leadership.is_valid() && !ended.load(Ordering::SeqCst));
    drop(leadership);
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    assert_eq!(events.last(), Some(&Event::Stopped));
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert!(ended.load(Ordering::SeqCst));
    assert_eq!(storage.releases(), 1);
}

/// `run_until` ends the term, waits for its work, releases and returns.
#[test]
fn run_until_releases_and_returns() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let stop = timer.sleep(secs(30));
    timer.block_on(driver.run_until(stop)).unwrap();
    assert_eq!(timer.now(), Instant::from_origin(secs(31)));
    assert_eq!(storage.releases(), 1);
    assert!(!a.is_leader());
    assert_eq!(a.status().role, Role::Stopped);
    assert_eq!(timer.block_on(a.shutdown()), Some(Ok(())), "it had stopped well");
    assert_eq!(timer.block_on(a.elected()).unwrap().err(), Some(Stopped));
}

/// A storage that is down does not keep a service from stopping: three tries, then the lease runs out by itself.
#[test]
fn a_stop_ends_even_if_the_storage_hangs() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    storage.set(Fault::Hang);
    let before = timer.now();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    let elapsed = timer.now().saturating_duration_since(before);
    assert!(elapsed <= secs(8), "{elapsed:?}");
}

// === seeing ===

#[test]
fn a_value_is_published_and_seen() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), entropy(9)).unwrap();
    timer.spawn(driver.run());
    let value = lessor::Value::new("10.0.0.7:8080").unwrap();
    timer.block_on(a.set_value(Some(value.clone()))).unwrap().unwrap();
    assert_eq!(
        timer.block_on(storage.get(&lessor::Key::new("k").unwrap())).unwrap().unwrap().unwrap().value,
        Some(value.clone())
    );
    timer.block_on(timer.sleep(secs(3))).unwrap();
    for seen in [a.leader(), b.leader(), observer.leader()] {
        let seen = seen.unwrap();
        assert_eq!((seen.holder.unwrap().as_str(), seen.term.get(), seen.value), ("a", 1, Some(value.clone())));
        assert!(seen.time_left > secs(4) && seen.time_left <= secs(10));
    }
    assert_eq!(observer.status().role, Role::Observer);
    assert!(storage.gets() > 0);
}

/// The value of a follower goes out with its first claim; setting it waits for nothing.
#[test]
fn a_follower_sets_its_value_for_later() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(b.set_value(Some(lessor::Value::new("b's").unwrap()))).unwrap().unwrap();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(b.leader().unwrap().value.unwrap().as_str(), "b's");
}

/// What was seen of a leader runs out by the own clock even if the storage does not answer any more.
#[test]
fn a_leader_once_seen_does_not_stay_for_ever() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let followers = storage.another_way();
    let b = spawned("b", &followers, &timer);
    timer.block_on(timer.sleep(secs(3))).unwrap();
    assert!(b.leader().is_some());
    followers.set(Fault::Hang);
    let changed = timer.block_on(async {
        while b.leader_changed().await.unwrap().is_some() {}
        b.leader()
    });
    assert_eq!(changed, Some(None), "and whoever waits is told");
    assert!(timer.now().saturating_duration_since(Instant::from_origin(secs(4))) <= secs(12));
}

/// The end of the last observer ends its driver; it never claimed, and released nothing.
#[test]
fn an_observer_leaves_no_trace() {
    let (timer, storage) = fixture();
    let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), entropy(9)).unwrap();
    let events = observer.events();
    drop(observer.clone());
    let watch = async {
        timer.sleep(secs(10)).await;
        assert!(observer.leader().is_none() && storage.gets() > 3);
        drop(observer);
    };
    timer.block_on(join(driver.run(), watch)).unwrap();
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    assert_eq!(events, [Event::LeaderChanged(None), Event::Stopped]);
    assert_eq!(storage.acquires() + storage.releases(), 0);
}

/// `leader_changed` reports every state that lasts, its own election included, and nothing twice.
#[test]
fn changes_of_leader_are_reported_once() {
    let (timer, storage) = fixture();
    let b = spawned("b", &storage, &timer);
    let name = |lease: Option<lessor::Lease>| lease.map(|lease| (lease.holder.unwrap().to_string(), lease.term.get()));
    assert_eq!(name(timer.block_on(b.leader_changed()).unwrap().unwrap()), Some(("b".into(), 1)));
    let a = spawned("a", &storage, &timer);
    timer.block_on(timer.sleep(secs(3))).unwrap();
    assert!(timer.block_on(async { b.leader_changed().now_or_never().is_none() }).unwrap());
    timer.block_on(b.resign()).unwrap().unwrap();
    timer.block_on(timer.sleep(secs(10))).unwrap();
    assert_eq!(name(timer.block_on(b.leader_changed()).unwrap().unwrap()), Some(("a".into(), 2)));
    assert_eq!(name(timer.block_on(a.leader_changed()).unwrap().unwrap()), Some(("a".into(), 2)));
}

/// R16: a stream of events starts with the present state and keeps the order.
#[test]
fn events_start_with_the_present_state() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let events = a.events();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    let expected = |event: &Event| match event {
        Event::LeaderChanged(Some(_)) => 0,
        Event::Elected { .. } => 1,
        Event::Ending { .. } => 2,
        Event::Lost { reason: LostReason::Stopped, .. } => 3,
        Event::LeaderChanged(None) => 4,
        Event::Stopped => 5,
        other => panic!("{other:?}"),
    };
    assert_eq!(events.iter().map(expected).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let late: Vec<_> = timer.block_on(a.events().collect()).unwrap();
    assert_eq!(late, [Event::LeaderChanged(None), Event::Stopped]);
}

/// R16: the present state is that of the clock, not that of a starved driver.
#[test]
fn a_starved_driver_presents_nothing_untrue() {
    let (timer, storage) = fixture();
    let (a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    assert!(a.is_leader());
    timer.advance(secs(20));
    let events = a.events();
    drop(driver);
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    let lost = events.iter().position(|event| matches!(event, Event::Lost { .. }));
    assert_eq!((&events[0], lost), (&Event::LeaderChanged(None), Some(1)), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Stopped));
}

// === stepping ===

/// A candidate is led by steps as well: each does what is due and says when to come back.
#[test]
fn steps_lead_too() {
    let (timer, storage) = fixture();
    let (a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(async {
        let step = driver.step().await;
        assert_eq!(step.status.role, Role::Leader);
        assert!((ms(1800)..=ms(2200)).contains(&step.wake_in.unwrap()));
        for _ in 0..5 {
            assert_eq!(driver.step().await.status.role, Role::Leader, "early and twice is harmless");
        }
        assert_eq!(storage.renewals(), 0);
        for _ in 0..20 {
            let step = driver.step().await;
            timer.sleep(step.wake_in.unwrap()).await;
            assert!(a.is_leader());
        }
        assert!((18..=21).contains(&storage.renewals()));
        timer.sleep(secs(60)).await;
        assert!(!a.is_leader(), "late: the deadline held without a step");
        assert_eq!(driver.step().await.status.term.unwrap().get(), 2);
        let (stopped, step) = join(a.shutdown(), driver.step()).await;
        stopped.unwrap();
        assert_eq!((step.wake_in, step.status.role), (None, Role::Stopped));
        assert_eq!(driver.step().await.wake_in, None);
    });
    assert_eq!(storage.releases(), 1);
}

/// A wake-up that came between two steps is seen by the next one.
#[test]
fn a_step_sees_what_woke_it() {
    let (timer, storage) = fixture();
    let (a, mut a_driver) = candidate("a", &storage, &timer);
    let (b, mut b_driver) = candidate("b", &storage, &timer);
    timer.block_on(async {
        a_driver.step().await;
        let step = b_driver.step().await;
        assert_eq!((step.status.role, step.wake_in > Some(secs(1))), (Role::Follower, true));
        let (released, _) = join(a.shutdown(), a_driver.step()).await;
        released.unwrap();
        assert_eq!(b_driver.step().await.status.role, Role::Leader);
    });
    assert_eq!(timer.now(), Instant::from_origin(secs(1)));
    drop(b);
}

/// A step that is dropped while the storage answers goes on in the next one.
#[test]
fn a_dropped_step_loses_nothing() {
    let (timer, storage) = fixture();
    let (_a, mut driver) = candidate("a", &storage, &timer);
    storage.set(Fault::Hang);
    timer.block_on(async {
        assert!(driver.step().now_or_never().is_none());
        assert_eq!(storage.acquires(), 1);
        assert!(driver.step().now_or_never().is_none());
        assert_eq!(storage.acquires(), 1, "the same request is waited for");
        let step = driver.step().await;
        assert_eq!((storage.acquires(), step.status.failures), (1, 1));
    });
}

// === building ===

/// R15: whatever does not fit is refused by name before anything runs.
#[test]
fn bad_configuration_is_named() {
    let build = |builder: Builder| {
        let timer = ManualTimer::new();
        builder.build_with(MemoryStorage::with_timer(timer.clone()), timer, entropy(1)).map(drop).unwrap_err()
    };
    let text = |error: BuildError| error.to_string();
    assert!(text(build(Builder::new(""))).starts_with("key \"\" (0 bytes)"));
    assert!(text(build(Builder::new("k").id("x".repeat(129)))).contains("(129 bytes)"));
    assert!(text(build(Builder::new("k").value("x".repeat(5000)))).starts_with("value"));
    assert_eq!(text(build(Builder::new("k").ttl(ms(99)))), "ttl is 99ms, allowed is 100ms to 86400s");
    assert_eq!(
        text(build(Builder::new("k").retry_interval(Duration::ZERO))),
        "retry_interval is 0ns, allowed is 1ms to 86400s"
    );
    let error = build(Builder::new("k").renew_interval(secs(9)));
    assert!(matches!(error, BuildError::Config(ConfigError::NoRoomToRenew { .. })));
    assert_eq!(
        text(error),
        "ttl is 10s, but renew_interval * 1.1 + 2 * request_timeout + retry pause + margin is 15.4s, not less"
    );
}

/// Many candidates with different keys live in one process, each for itself.
#[test]
fn many_keys_in_one_process() {
    let (timer, storage) = fixture();
    let led = Arc::new(AtomicUsize::new(0));
    for key in 0..100 {
        let (candidate, driver) =
            Builder::new(format!("key-{key}")).build_with(storage.clone(), timer.clone(), entropy(key)).unwrap();
        timer.spawn(driver.run());
        let led = led.clone();
        timer.spawn(async move {
            let leadership = candidate.elected().await.unwrap();
            led.fetch_add(1, Ordering::SeqCst);
            leadership.lost().await;
        });
    }
    timer.block_on(timer.sleep(secs(60))).unwrap();
    assert_eq!((led.load(Ordering::SeqCst), storage.acquires()), (100, 100));
}
