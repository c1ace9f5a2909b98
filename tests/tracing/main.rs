//! What an operator reads in the log, over virtual time.

#[path = "../faulty/mod.rs"]
mod faulty;
mod log;
#[path = "../registers/shelf.rs"]
mod shelf;
mod work;

use std::fmt;
use std::sync::{Arc, Mutex};

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs, spawned};
use futures::future::{join_all, ready, select};
use futures::{FutureExt, StreamExt};
use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Claim, Release, Renewal, Reply, Request, Session, Subscribers};
use lessor::{Builder, Event, Key, ManualTimer, Storage, StorageError, Timer, Value, Wakeups, async_trait};
use log::{assert_lines, logged, wait};
use shelf::Shelf;
use tracing::{Instrument, Level, Span};

/// A whole election at INFO: each turn of fate is one line, and what goes well is none.
#[test]
fn an_operator_sees_what_matters() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let way = storage.another_way();
        let a = spawned("a", &way, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        assert_lines(log, &[r#"INFO lessor: elected key="k" id="a" term=1 time_left=9s"#]);
        let b = spawned("b", &storage, &timer);
        wait(&timer, secs(24 * 3600));
        assert!(way.renewals() > 40_000 && storage.acquires() > 8_000);
        assert_lines(log, &[r#"INFO lessor: waits for the leader key="k" id="b" term=1 leader="a" time_left=10s"#]);

        // Two renewals fail.
        let failures = a.events().filter(|event| ready(matches!(event, Event::StorageFailed { .. })));
        way.set(Fault::Refuse);
        timer.block_on(failures.take(2).collect::<Vec<_>>()).unwrap();
        way.set(Fault::None);
        let lines = log.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        let failed =
            r#"WARN lessor: the storage fails key="k" id="a" operation="renew" error=transient storage error: refused"#;
        assert_eq!(lines[0], failed);
        assert!(lines[1].starts_with(r#"WARN lessor: renewals fail key="k" id="a" term=1 time_left=7."#), "{lines:?}");
        wait(&timer, secs(13));
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(r#"INFO lessor: the storage answers again key="k" id="a" failures=2 lasted="#),
            "{lines:?}"
        );

        timer.block_on(a.resign()).unwrap().unwrap();
        timer.block_on(b.elected()).unwrap().unwrap();
        timer.block_on(b.shutdown()).unwrap().unwrap();
        assert_lines(
            log,
            &[
                r#"INFO lessor: handing over key="k" id="a" term=1"#,
                r#"INFO lessor: the term has ended key="k" id="a" term=1 reason="resigned""#,
                r#"INFO lessor: elected key="k" id="b" term=2 time_left=9s"#,
                r#"INFO lessor: handing over key="k" id="b" term=2"#,
                r#"INFO lessor: the term has ended key="k" id="b" term=2 reason="stopped""#,
                r#"INFO lessor: stopped key="k" id="b""#,
            ],
        );
    });
}

/// A storage that is down for an hour writes a handful of lines, the last of which counts the failures.
#[test]
fn an_outage_is_told_once() {
    for (fault, error) in [(Fault::Refuse, "refused"), (Fault::Hang, "no answer within 2s")] {
        logged(Level::INFO, |log| {
            let (timer, storage) = fixture();
            let a = spawned("a", &storage, &timer);
            timer.block_on(a.elected()).unwrap().unwrap();
            log.lines();
            let failures = Arc::new(Mutex::new(0));
            let (count, events) = (failures.clone(), a.events());
            timer.spawn(events.for_each(move |event| {
                *count.lock().unwrap() += usize::from(matches!(event, Event::StorageFailed { .. }));
                ready(())
            }));
            storage.set(fault);
            wait(&timer, secs(3600));
            let lines = log.lines();
            assert_eq!(lines.len(), 3, "{lines:?}");
            assert_eq!(
                lines[0],
                format!(
                    r#"WARN lessor: the storage fails key="k" id="a" operation="renew" error=transient storage error: {error}"#
                )
            );
            assert!(lines[1].starts_with("WARN lessor: renewals fail "), "{lines:?}");
            assert_eq!(lines[2], r#"WARN lessor: the term was lost key="k" id="a" term=1 reason="expired""#);

            storage.set(Fault::None);
            wait(&timer, secs(30));
            let lines = log.lines();
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines[0].starts_with(r#"INFO lessor: elected key="k" id="a" term=2 "#), "{lines:?}");
            let failures = *failures.lock().unwrap();
            let again =
                format!(r#"INFO lessor: the storage answers again key="k" id="a" failures={failures} lasted=35"#);
            assert!(failures > 800 && lines[1].starts_with(&again), "{again} {lines:?}");
        });
    }
}

/// A storage that fails again and again within a ttl is one outage, and a leader that is in jeopardy each time is told
/// of once.
#[test]
fn a_wavering_storage_is_one_outage() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        log.lines();
        for _ in 0..600 {
            storage.set(Fault::Refuse);
            wait(&timer, secs(3));
            storage.set(Fault::None);
            wait(&timer, secs(3));
        }
        assert!(a.is_leader());
        assert_eq!(log.lines().len(), 2);
        wait(&timer, secs(13));
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("the storage answers again"), "{lines:?}");
        // The next one is a new one.
        storage.set(Fault::Refuse);
        wait(&timer, secs(3));
        assert_eq!(log.lines().len(), 2);
    });
}

/// What somebody has to change is an error, once, also where it follows on what may pass by itself.
#[test]
fn a_permanent_error_is_an_error() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        storage.set(Fault::Refuse);
        let a = spawned("a", &storage, &timer);
        wait(&timer, secs(60));
        let failed = r#"WARN lessor: the storage fails key="k" id="a" operation="acquire" error=transient storage error: refused"#;
        assert_lines(log, &[failed]);
        let denied = r#"ERROR lessor: the storage fails key="k" id="a" operation="acquire" error=permanent storage error: denied"#;
        for _ in 0..2 {
            storage.set(Fault::Deny);
            wait(&timer, secs(60));
            storage.set(Fault::Refuse);
            wait(&timer, secs(60));
        }
        assert_lines(log, &[denied]);
        drop(a);
    });
}

/// A driver that stood still lost its term by time: one warning, and no talk of renewals that fail.
#[test]
fn a_starved_driver_says_so_when_it_can() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        log.lines();
        timer.advance(secs(60));
        assert_lines(log, &[]);
        wait(&timer, ms(1));
        assert_lines(
            log,
            &[
                r#"WARN lessor: the term was lost key="k" id="a" term=1 reason="expired""#,
                r#"INFO lessor: elected key="k" id="a" term=2 time_left=9s"#,
            ],
        );
        drop(a);
    });
}

/// A driver that is dropped leaves a lease behind; one that goes to sleep leaves a ticket, which is in order.
#[test]
fn a_dropped_driver_is_a_warning_and_a_ticket_is_none() {
    logged(Level::INFO, |log| {
        let (timer, storage) = fixture();
        let (a, mut driver) = candidate("a", &storage, &timer);
        timer.block_on(driver.step()).unwrap();
        drop(driver);
        assert_lines(
            log,
            &[
                r#"INFO lessor: elected key="k" id="a" term=1 time_left=9s"#,
                r#"WARN lessor: the term was lost key="k" id="a" term=1 reason="driver_dropped""#,
                r#"WARN lessor: the driver was dropped before its lease was released: it has to run out key="k" id="a""#,
            ],
        );
        drop(a);
        // Nor is a release that is under way known to get through.
        let (b, driver) = candidate("b", &storage, &timer);
        let mut run = Box::pin(driver.run());
        timer.block_on(select(&mut run, Box::pin(b.elected()))).unwrap();
        storage.set(Fault::Hang);
        drop(b);
        timer.block_on(select(&mut run, timer.sleep(ms(1)))).unwrap();
        log.lines();
        drop(run);
        assert_lines(
            log,
            &[r#"WARN lessor: the driver was dropped before its lease was released: it has to run out key="k" id="b""#],
        );
    });
    logged(Level::DEBUG, |log| {
        let (timer, storage) = fixture();
        let (a, mut driver) = candidate("a", &storage, &timer);
        timer.block_on(driver.step()).unwrap();
        log.lines();
        assert!(driver.into_ticket().is_some());
        assert_lines(
            log,
            &[
                r#"DEBUG lessor: the term has ended key="k" id="a" term=1 reason="driver_dropped""#,
                r#"DEBUG lessor: leader changed key="k" id="a""#,
                r#"DEBUG lessor: the session is left as a ticket key="k" id="a""#,
            ],
        );
        drop(a);
        // Without a ticket it is a driver that was dropped: with a request under way there is none.
        let (b, mut driver) = candidate("b", &storage, &timer);
        storage.set(Fault::Hang);
        assert!(timer.block_on(async { driver.step().now_or_never() }).unwrap().is_none());
        assert!(driver.into_ticket().is_none());
        assert_lines(log, &[r#"INFO lessor: the driver was dropped key="k" id="b""#]);
        drop(b);
    });
}

/// At TRACE each request is one line, with its duration and its answer.
#[test]
fn each_request_can_be_seen() {
    logged(Level::TRACE, |log| {
        let (timer, storage) = fixture();
        storage.set(Fault::Slow);
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        let b = spawned("b", &storage, &timer);
        let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), || 7).unwrap();
        timer.spawn(driver.run());
        wait(&timer, secs(60));
        storage.set(Fault::Hang);
        wait(&timer, secs(5));
        storage.set(Fault::None);
        timer.block_on(a.shutdown()).unwrap().unwrap();
        let lines = log.lines();
        let told: Vec<_> = lines.iter().filter(|line| line.contains(" request ")).collect();
        let asked = storage.acquires() + storage.renewals() + storage.releases() + storage.gets();
        assert!(told.len() <= asked && told.len() + 2 >= asked, "the last ones may be under way");
        let first = r#"TRACE lessor.acquire{key="k" id="a" outcome="granted"}: lessor: request key="k" id="a" operation="acquire" outcome="granted" elapsed=20ms"#;
        assert_eq!(*told[0], first);
        for expected in [
            r#"lessor.renew{key="k" id="a" term=1 outcome="extended"}: lessor: request key="k" id="a" operation="renew" outcome="extended" elapsed=20ms"#,
            r#"lessor.acquire{key="k" id="b" outcome="refused"}: lessor: request key="k" id="b" operation="acquire" outcome="refused" elapsed=20ms"#,
            r#"lessor.renew{key="k" id="a" term=1 outcome="unanswered"}: lessor: request key="k" id="a" operation="renew" outcome="unanswered" elapsed=2s"#,
            r#"lessor.release{key="k" id="a" outcome="released"}: lessor: request key="k" id="a" operation="release" outcome="released" elapsed=0ns"#,
            r#"lessor.get{key="k" outcome="got"}: lessor: request key="k" operation="get" outcome="got" elapsed=20ms"#,
            r#"DEBUG lessor: leader changed key="k" term=1 leader="a""#,
            r#"DEBUG lessor: leader changed key="k" id="a""#,
        ] {
            assert!(lines.iter().any(|line| line.ends_with(expected)), "{expected}\n{}", lines.join("\n"));
        }
        drop((b, observer));
    });
}

/// At DEBUG every failure is there.
#[test]
fn each_failure_can_be_seen() {
    logged(Level::DEBUG, |log| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        storage.set(Fault::Refuse);
        wait(&timer, secs(300));
        let failures = u64::from(a.status().failures);
        let lines = log.lines();
        let told = lines.iter().filter(|line| line.contains("the storage fails")).count();
        let rest = lines.iter().filter(|line| line.contains("the storage still fails")).count();
        assert_eq!((told, 1 + rest as u64), (1, failures));
        assert!(
            lines.last().unwrap().ends_with(&format!("error=transient storage error: refused failures={failures}"))
        );
    });
}

/// Says what it does, like any instrumented storage, and remembers the sessions it was shown.
struct Loud {
    inner: Faulty,
    sessions: Arc<Mutex<Vec<Session>>>,
}

#[async_trait]
impl Storage for Loud {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        if let Request::Acquire(Claim { session, .. })
        | Request::Renew(Renewal { session, .. })
        | Request::Release(Release { session, .. }) = &request
        {
            self.sessions.lock().unwrap().push(*session);
        }
        tracing::info!("before");
        let reply = self.inner.call(request).await;
        tracing::info!("after");
        reply
    }
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.inner.call_all(requests).await
    }
    fn subscribe(&self, key: &Key) -> Wakeups {
        self.inner.subscribe(key)
    }
    async fn check(&self) -> Result<(), StorageError> {
        self.inner.check().await
    }
}

/// What the storage says belongs to the operation, across its awaits, and that to the span of the driver; what others
/// say meanwhile does not.
#[test]
fn a_storage_speaks_within_its_operation() {
    logged(Level::DEBUG, |log| {
        let (timer, inner) = fixture();
        inner.set(Fault::Slow);
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let storage = Loud { inner: inner.clone(), sessions: sessions.clone() };
        let (a, driver) = Builder::new("k")
            .id("a")
            .value("sesame")
            .cool_off(secs(1))
            .build_with(storage, timer.clone(), entropy(1))
            .unwrap();
        timer.spawn(driver.run().instrument(tracing::info_span!("service")));
        let other = timer.clone();
        timer.spawn(async move {
            for _ in 0..100 {
                other.sleep(ms(1)).await;
                assert!(Span::current().is_none(), "an operation is entered only while it is polled");
            }
        });
        timer.block_on(a.elected()).unwrap().unwrap();
        wait(&timer, secs(10));
        timer.block_on(a.set_value(Some(Value::new("mellon").unwrap()))).unwrap().unwrap();
        timer.block_on(a.resign()).unwrap().unwrap();
        timer.block_on(a.elected()).unwrap().unwrap();
        let lines = log.lines();
        let text = lines.join("\n");
        let said: Vec<_> = lines.iter().filter(|line| line.ends_with("before") || line.ends_with("after")).collect();
        assert!(said.len() > 10, "{text}");
        for line in said {
            assert!(line.starts_with(r#"INFO service:lessor."#), "{line}");
        }
        assert!(text.contains(r#"service:lessor.acquire{key="k" id="a"}: tracing: before"#), "{text}");
        assert!(text.contains(r#"service:lessor.renew{key="k" id="a" term=1}: tracing: after"#), "{text}");
        assert!(text.contains(r#"service:lessor.release{key="k" id="a"}: tracing: after"#), "{text}");
        assert!(text.contains(r#"INFO service: lessor: elected key="k" id="a" term=1"#), "{text}");
    });
}

/// Neither a session nor a value is in the log, at any level, in any form.
#[test]
fn no_secrets() {
    logged(Level::TRACE, |log| {
        let (timer, inner) = fixture();
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let storage = Loud { inner: inner.clone(), sessions: sessions.clone() };
        let (a, driver) = Builder::new("k")
            .id("a")
            .value("sesame")
            .cool_off(secs(1))
            .build_with(storage, timer.clone(), entropy(1))
            .unwrap();
        timer.spawn(driver.run());
        let (observer, driver) = Builder::new("k").observe_with(inner.clone(), timer.clone(), || 7).unwrap();
        timer.spawn(driver.run());
        timer.block_on(a.elected()).unwrap().unwrap();
        timer.block_on(a.set_value(Some(Value::new("mellon").unwrap()))).unwrap().unwrap();
        for fault in [Fault::Refuse, Fault::Deny, Fault::Hang, Fault::Late, Fault::None] {
            inner.set(fault);
            wait(&timer, secs(20));
        }
        assert!(observer.leader().unwrap().value.is_some());
        timer.block_on(a.resign()).unwrap().unwrap();
        timer.block_on(a.elected()).unwrap().unwrap();
        timer.block_on(a.shutdown()).unwrap().unwrap();
        let text = log.lines().join("\n").to_lowercase();
        assert!(text.contains("lessor.release{") && text.contains("lessor.get{"));
        let mut sessions = sessions.lock().unwrap().clone();
        sessions.dedup();
        assert!(sessions.len() >= 2, "each hand-over draws another");
        for session in sessions {
            let bits = session.to_bits();
            let forms: [&dyn fmt::Display; 4] = [
                &format_args!("{bits}"),
                &format_args!("{bits:x}"),
                &format_args!("{:x}", bits >> 64),
                &format_args!("{}", bits >> 64),
            ];
            for form in forms {
                assert!(!text.contains(&form.to_string()), "{form}");
            }
        }
        assert!(!text.contains("session"), "not even its name");
        assert!(!text.contains("sesame") && !text.contains("mellon"));
    });
}

/// A connection that is made anew at once is nobody's concern, one that cannot be made is told once.
#[test]
fn wake_ups_that_do_not_come_are_told_once() {
    logged(Level::INFO, |log| {
        let subscribers = Subscribers::new();
        subscribers.disconnected(&"refused");
        subscribers.disconnected(&"refused again");
        assert_lines(log, &["WARN lessor: there are no wake-ups error=refused"]);
        subscribers.wake_all();
        subscribers.connected();
        assert_lines(log, &["INFO lessor: wake-ups come again"]);
        subscribers.disconnected(&"closed");
        subscribers.connected();
        subscribers.disconnected(&"closed");
        assert_lines(log, &[]);
        subscribers.disconnected(&"refused");
        subscribers.disconnected(&"refused");
        assert_lines(log, &["WARN lessor: there are no wake-ups error=refused"]);
    });
}

/// Over registers each subscription has a watch of its own, and all of them end with the connection: where they stand again
/// soon that is nobody's concern, however many they are, and where not it is told once.
#[test]
fn the_watches_of_a_connection_end_together() {
    logged(Level::INFO, |log| {
        let (timer, shelf) = (ManualTimer::new(), Shelf::watched());
        let storage = RegisterStorage::with_timer(shelf.clone(), timer.clone());
        let mut wakeups = ["k", "k", "l"].map(|key| storage.subscribe(&Key::new(key).unwrap()));
        for _ in 0..3 {
            timer.block_on(join_all(wakeups.iter_mut().map(StreamExt::next))).unwrap();
            shelf.cut();
            for lost in &mut wakeups {
                assert_eq!(lost.next().now_or_never(), None);
            }
        }
        timer.block_on(join_all(wakeups.iter_mut().map(StreamExt::next))).unwrap();
        assert_lines(log, &[]);

        shelf.refuse(true);
        shelf.cut();
        for _ in 0..5 {
            for lost in &mut wakeups {
                assert_eq!(lost.next().now_or_never(), None);
            }
            wait(&timer, secs(10));
        }
        assert_lines(log, &[r#"WARN lessor: there are no wake-ups error=transient storage error: refused"#]);
        shelf.refuse(false);
        timer.block_on(join_all(wakeups.iter_mut().map(StreamExt::next))).unwrap();
        assert_lines(log, &["INFO lessor: wake-ups come again"]);
    });
}
