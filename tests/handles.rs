//! Driver and handles over virtual time: leading, and what stays true when something hangs, starves or is dropped.

mod faulty;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs, spawned};
use futures::future::{join, pending, select};
use futures::{StreamExt, pin_mut};
use lessor::{
    Abandoned, BuildError, Builder, Candidate, Config, ConfigError, Event, Instant, Key, ManualTimer, MemoryStorage,
    Role, Stopped, Term, Timer,
};

// === leading ===

#[test]
fn one_candidate_leads_and_goes_on() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    assert!(!a.is_leader() && a.leadership().is_none());
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    assert!(a.is_leader() && leadership.is_valid());
    assert_eq!(leadership.term().get(), 1);
    assert_eq!(
        (leadership.check(Duration::ZERO), leadership.check(secs(9))),
        (Ok(leadership.term()), Ok(leadership.term()))
    );
    assert!(leadership.check(ms(9001)).is_err());
    timer.block_on(timer.sleep(secs(3600))).unwrap();
    assert!(leadership.is_valid(), "renewed");
    assert_eq!(a.leadership().unwrap().term(), leadership.term());
}

/// What was due before a reign began was an earlier leader's to do. Each reign counts anew, and renewals do not.
#[test]
fn a_reign_knows_its_age() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(timer.sleep(secs(5))).unwrap();
    let first = a.leadership().unwrap();
    assert_eq!(first.age(), secs(5));
    timer.block_on(timer.sleep(secs(3600))).unwrap();
    assert_eq!(first.age(), secs(3605), "renewed");

    timer.block_on(a.resign()).unwrap().unwrap();
    let second = timer.block_on(a.elected()).unwrap().unwrap();
    assert_eq!(second.age(), Duration::ZERO);
    timer.block_on(timer.sleep(secs(7))).unwrap();
    assert_eq!(second.age(), secs(7));
    assert!(first.age() > secs(3612), "after its end too");
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

/// R16: who begins to listen after a reign has run out, and before its driver had a turn to say so, is told nothing of it.
#[test]
fn no_end_without_a_beginning() {
    let (timer, storage) = fixture();
    let (a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    let mut before = a.events();
    timer.advance(secs(60));
    assert!(!a.is_leader());
    let mut after = a.events();
    timer.block_on(driver.step()).unwrap();
    timer.block_on(driver.step()).unwrap();
    let next = async |events: &mut lessor::Events| loop {
        match events.next().await {
            Some(Event::LeaderChanged(_)) => {}
            event => break event.unwrap(),
        }
    };
    let first = timer.block_on(next(&mut before)).unwrap();
    assert!(matches!(first, Event::Elected { term: Term::FIRST, .. }), "{first:?}");
    let first = timer.block_on(next(&mut after)).unwrap();
    assert!(matches!(first, Event::Elected { term, .. } if term > Term::FIRST), "{first:?}");
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
    let mut watching = a.clone();
    let waiters = async {
        let changes = async {
            loop {
                if let Err(stopped) = watching.leader_changed().await {
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
    assert!(matches!(outcome.unwrap().0, (Some(Stopped::DriverDropped), Some(Stopped::DriverDropped))));
    assert!(matches!(timer.block_on(a.shutdown()), Some(Err(Abandoned { .. }))), "it could not release");
    assert!(matches!(timer.block_on(a.resign()), Some(Err(Abandoned { .. }))));
    assert!(matches!(timer.block_on(a.set_value(None)), Some(Err(Stopped::DriverDropped))));
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
    seen: Arc<std::sync::Mutex<Option<lessor::Leadership>>>,
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
    struct Asking(Candidate, AtomicUsize);
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

/// A handle knows what it was built with, and the id that was drawn for it.
#[test]
fn handles_know_what_they_were_built_with() {
    let (timer, storage) = fixture();
    let config = Config::with_ttl(secs(30));
    let builder = Builder::new(Key::new("k").unwrap()).config(config.clone());
    let (a, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(3)).unwrap();
    timer.spawn(driver.run());
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let id = a.leader().unwrap().id.unwrap();
    assert_eq!((a.key().as_str(), a.id(), a.config()), ("k", &id, &config));
    assert_eq!((leadership.key(), a.clone().id()), (a.key(), a.id()));
    let (observer, _driver) = Builder::new("k").ttl(secs(30)).observe_with(storage, timer, entropy(4)).unwrap();
    assert_eq!((observer.key(), observer.config()), (a.key(), &config));
}

/// R15: what an observer has no use for is refused, and not left out in silence.
#[test]
fn an_observer_claims_nothing() {
    let (timer, storage) = fixture();
    let (_a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    let ticket = driver.into_ticket().unwrap();
    for (builder, field) in [
        (Builder::new("k").id("a"), "id"),
        (Builder::new("k").value("v"), "value"),
        (Builder::new("k").resume(ticket), "ticket"),
        (Builder::new("k").rank(1), "rank"),
        (Builder::new("k").slots(2), "slots"),
    ] {
        let error = builder.observe_with(storage.clone(), timer.clone(), entropy(5)).unwrap_err();
        assert!(matches!(error, BuildError::NotForObservers { setting, .. } if setting == field), "{error}");
        assert_eq!(error.to_string(), format!("an observer has no {field}: leave it out, or build a candidate"));
    }
}
