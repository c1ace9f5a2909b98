//! Drivers that are stepped, and sessions that go on as tickets, over virtual time.

mod faulty;

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs};
use futures::FutureExt;
use futures::future::join;
use lessor::{BuildError, Builder, Candidate, Instant, ManualTimer, Role, Term, Ticket, Timer};

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

/// R9: a session goes on as a ticket: the next instance leads at once, in a new term, on its own live lease.
#[test]
fn a_ticket_carries_a_session_on() {
    let (timer, storage) = fixture();
    let (a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    let leadership = a.leadership().unwrap();
    let ticket = driver.into_ticket().unwrap();
    assert!(!a.is_leader() && !leadership.is_valid(), "demoted before the ticket is out");
    let ticket = Ticket::from_bytes(&ticket.into_bytes()).unwrap();
    let resumed = Builder::new("k").id("a").resume(ticket);
    let (next, mut driver) = resumed.build_with(storage.clone(), timer.clone(), entropy(77)).unwrap();
    timer.block_on(driver.step()).unwrap();
    assert_eq!(next.leadership().unwrap().term().get(), 2);
    assert_eq!((timer.now(), storage.acquires()), (Instant::from_origin(secs(1)), 2));
}

/// R9: a reign goes on in its term if it is asked to and the lease is still its own; else the next term begins.
#[test]
fn a_ticket_may_continue_a_reign() {
    let asleep = |storage: &Faulty, timer: &ManualTimer| {
        let (a, mut driver) = candidate("a", storage, timer);
        timer.block_on(driver.step()).unwrap();
        assert!(a.is_leader());
        let ticket = driver.into_ticket().unwrap();
        assert_eq!(ticket.led().unwrap().get(), 1);
        Ticket::from_bytes(&ticket.into_bytes()).unwrap().continuing()
    };
    let resumed = |ticket, storage: &Faulty, timer: &ManualTimer| {
        let builder = Builder::new("k").id("a").resume(ticket);
        let (next, mut driver) = builder.build_with(storage.clone(), timer.clone(), entropy(77)).unwrap();
        let step = timer.block_on(driver.step()).unwrap();
        let step = if next.is_leader() { step } else { timer.block_on(driver.step()).unwrap() };
        (step.status.term.map(Term::get), step.status.leader.map(|lease| lease.term.get()))
    };
    let (timer, storage) = fixture();
    let ticket = asleep(&storage, &timer);
    assert_eq!(resumed(ticket, &storage, &timer), (Some(1), Some(1)), "the same term");

    // Expired, and nobody came.
    let (timer, storage) = fixture();
    let ticket = asleep(&storage, &timer);
    timer.advance(secs(11));
    assert_eq!(resumed(ticket, &storage, &timer).0, Some(2));

    // Expired, and another came.
    let (timer, storage) = fixture();
    let ticket = asleep(&storage, &timer);
    timer.advance(secs(11));
    let (_b, mut driver) = candidate("b", &storage, &timer);
    timer.block_on(async { (driver.step().await, driver.step().await) }).unwrap();
    assert_eq!(resumed(ticket, &storage, &timer), (None, Some(2)));
}

/// R9: a session asks for one ttl. An instance that has another one is another candidate, and waits for the lease to run out.
#[test]
fn a_ticket_is_of_one_ttl() {
    for (ttl, waits) in [(secs(9), true), (secs(10), false), (secs(60), true)] {
        let (timer, storage) = fixture();
        let (a, mut driver) = candidate("a", &storage, &timer);
        timer.block_on(driver.step()).unwrap();
        let ends = timer.now().saturating_add(secs(10));
        let ticket = Ticket::from_bytes(&driver.into_ticket().unwrap().into_bytes()).unwrap().continuing();
        let resumed = Builder::new("k").id("a").ttl(ttl).resume(ticket);
        let (next, mut driver) = resumed.build_with(storage.clone(), timer.clone(), entropy(77)).unwrap();
        timer.block_on(driver.step()).unwrap();
        assert_eq!(next.is_leader(), !waits, "{ttl:?}");
        timer
            .block_on(async {
                while !next.is_leader() {
                    let wake_in = driver.step().await.wake_in;
                    timer.sleep(wake_in.unwrap()).await;
                }
            })
            .unwrap();
        assert_eq!(timer.now() >= ends, waits, "{ttl:?}");
        assert_eq!(next.leadership().unwrap().term().get(), if waits { 2 } else { 1 }, "{ttl:?}");
        drop(a);
    }
}

/// Without a ticket the next instance is another candidate and waits for the lease to run out.
#[test]
fn a_new_session_waits() {
    let (timer, storage) = fixture();
    let (_a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    drop(driver);
    let (next, mut driver) = candidate("b", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    assert!(!next.is_leader());
}

/// R9: no ticket for a session with a request under way, nor for one that was or is to be released.
#[test]
fn a_session_in_use_gets_no_ticket() {
    let (timer, storage) = fixture();
    let (_a, mut driver) = candidate("a", &storage, &timer);
    storage.set(Fault::Hang);
    assert!(timer.block_on(async { driver.step().now_or_never().is_none() }).unwrap());
    assert!(driver.into_ticket().is_none(), "a request is under way");

    storage.set(Fault::None);
    let (b, mut driver) = candidate("b", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    let guard = b.leadership().unwrap().guard().unwrap();
    timer.block_on(async {
        assert!(b.resign().now_or_never().is_none());
        driver.step().await;
    });
    assert_eq!(b.status().role, Role::Ending);
    assert!(driver.into_ticket().is_none(), "it is to be released");
    drop(guard);
}

/// What was asked for between two steps holds: who was told to stop or to resign leaves no ticket to go on with.
#[test]
fn what_was_asked_for_is_not_forgotten_for_a_ticket() {
    type Asks = fn(Candidate);
    let asks: [Asks; 4] = [
        |a| assert!(a.shutdown().now_or_never().is_none()),
        |a| assert!(a.resign().now_or_never().is_none()),
        |a| assert!(a.resign_to(lessor::Id::new("b").unwrap()).now_or_never().is_none()),
        drop,
    ];
    for (number, ask) in asks.into_iter().enumerate() {
        let (timer, storage) = fixture();
        let (a, mut driver) = candidate("a", &storage, &timer);
        let kept = (number < 3).then(|| a.clone());
        timer.block_on(driver.step()).unwrap();
        assert!(a.is_leader());
        ask(a);
        assert!(driver.into_ticket().is_none(), "{number}");
        drop(kept);
    }
}

/// R9: a ticket is for one instance of one candidate: copies of the builder have none, and another key's is refused.
#[test]
fn a_ticket_is_for_one_instance_of_one_candidate() {
    let (timer, storage) = fixture();
    let (_a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    let ticket = driver.into_ticket().unwrap();
    assert_eq!(ticket.key().as_str(), "k");
    let bytes = ticket.into_bytes();
    let other = Builder::new("other").resume(Ticket::from_bytes(&bytes).unwrap());
    let error = other.build_with(storage.clone(), timer.clone(), entropy(5)).unwrap_err();
    assert!(
        matches!(&error, BuildError::TicketOfAnother { ticket, key, .. } if ticket.as_str() == "k" && key.as_str() == "other")
    );
    assert!(error.to_string().contains("\"k\"") && error.to_string().contains("\"other\""), "{error}");

    let ticket = Ticket::from_bytes(&bytes).unwrap();
    let builder = Builder::new("k").id("b").resume(ticket);
    let (copy, mut driver) = builder.clone().build_with(storage.clone(), timer.clone(), entropy(6)).unwrap();
    timer.block_on(driver.step()).unwrap();
    assert!(!copy.is_leader(), "it has a session of its own, which waits");
    let (resumed, mut driver) = builder.build_with(storage.clone(), timer.clone(), entropy(7)).unwrap();
    timer.block_on(driver.step()).unwrap();
    assert!(resumed.is_leader());
}
