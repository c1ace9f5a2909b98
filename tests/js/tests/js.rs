//! The library on JavaScript's clock, sleep and randomness: in Node, in a page, in a worker, as the runner is told.

#![cfg(all(target_family = "wasm", target_os = "unknown"))]

#[path = "../../scenario/mod.rs"]
mod scenario;
#[path = "../../service/mod.rs"]
mod service;

mod fake;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use fake::Fake;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::pending;
use lessor::storage::conformance::{self, Failures, Harness};
use lessor::storage::{Reply, Request};
use lessor::{
    BuildError, Builder, Instant, JsTimer, Key, MemoryStorage, Storage, StorageError, SystemTimer, Timer, Wakeups,
    async_trait,
};
use scenario::{scenario, spawned};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

#[wasm_bindgen_test]
async fn one_future() {
    scenario(JsTimer::new()).await;
}

#[wasm_bindgen_test]
async fn spawned_tasks() {
    spawned(|task| {
        let (done, wait) = oneshot::channel();
        spawn_local(async {
            task.await;
            done.send(()).unwrap();
        });
        wait
    })
    .await;
}

/// `Builder::build` runs on it, and so does a storage in memory.
#[wasm_bindgen_test]
async fn it_is_the_default() {
    let timer: JsTimer = SystemTimer::new();
    let (candidate, driver) = Builder::new("k").build(MemoryStorage::new()).unwrap();
    let leads = candidate.elected().map(|leadership| assert!(leadership.unwrap().is_valid()));
    futures::select! {
        () = leads.fuse() => {}
        _ = driver.run().fuse() => unreachable!("a driver runs for ever"),
        () = timer.sleep(Duration::from_secs(10)).fuse() => panic!("nobody leads"),
    }
}

/// A service that names no timer runs on this one too.
#[wasm_bindgen_test]
async fn a_service_names_no_timer() {
    let storage = MemoryStorage::with_timer(JsTimer::new());
    let observer = service::builder().observe_on(storage.clone(), JsTimer::new()).unwrap();
    service::serve(service::builder().build_on(storage.clone(), JsTimer::new()).unwrap(), observer).await;
}

/// The clock never goes back, and a sleep does not end early, by its own clock nor by JavaScript's.
#[wasm_bindgen_test]
async fn a_sleep_lasts_long_enough() {
    let timer = JsTimer::new();
    for duration in
        [Duration::ZERO, Duration::from_micros(1), MS, Duration::from_micros(1500), 5 * MS, 20 * MS, 300 * MS]
    {
        for _ in 0..5 {
            let (before, began) = (timer.now(), fake::performance_now());
            timer.sleep(duration).await;
            let (now, ended) = (timer.now(), fake::performance_now());
            assert!(now.saturating_duration_since(before) >= duration);
            assert!(ended - began >= duration.as_secs_f64() * 1000.0, "{duration:?} lasted {} ms", ended - began);
            assert!(ended - began < 10_000.0, "{duration:?} lasted {} ms", ended - began);
        }
    }
}

/// The clock has the rate of JavaScript's, however often it is read.
#[wasm_bindgen_test]
async fn looking_does_not_make_time_pass() {
    let timer = JsTimer::new();
    let (before, began) = (timer.now(), fake::performance_now());
    let mut last = before;
    while fake::performance_now() - began < 300.0 {
        let now = timer.now();
        assert!(now >= last);
        last = now;
    }
    let (passed, truly) = (millis(timer.now().saturating_duration_since(before)), fake::performance_now() - began);
    assert!((passed - truly).abs() < 10.0, "{passed} ms passed, and it was {truly}");
}

#[wasm_bindgen_test]
async fn a_dropped_sleep_clears_its_timeout() {
    let fake = Fake::new();
    let mut sleep = JsTimer::new().sleep(HOUR);
    assert!((&mut sleep).now_or_never().is_none());
    assert_eq!(fake.timeouts(), [3_600_000.0]);
    assert_eq!(fake.pending(), 1);
    drop(sleep);
    assert_eq!(fake.pending(), 0);
}

/// A timeout knows whole milliseconds, and 2^31 - 1 of them at most.
#[wasm_bindgen_test]
async fn a_timeout_is_rounded_up_and_cut() {
    let fake = Fake::new();
    for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::from_nanos(1_000_001), Duration::MAX] {
        drop(JsTimer::new().sleep(duration));
    }
    assert_eq!(fake.timeouts(), [0.0, 1.0, 2.0, 2_147_483_647.0]);
}

/// Sixty days, which pass at once: two timeouts are over before, the third ends the sleep.
#[wasm_bindgen_test]
async fn a_long_sleep_is_many_timeouts() {
    let fake = Fake::new();
    fake.hurry();
    let timer = JsTimer::new();
    let before = timer.now();
    timer.sleep(60 * 24 * HOUR).await;
    let timeouts = fake.timeouts();
    assert_eq!(timeouts.len(), 3, "{timeouts:?}");
    assert_eq!(timeouts[..2], [2_147_483_647.0; 2]);
    assert!(timer.now().saturating_duration_since(before) >= 60 * 24 * HOUR);
}

/// A timeout that ends early, as Node's do by a part of a millisecond, is set anew for the rest.
#[wasm_bindgen_test]
async fn a_timeout_that_ends_early_does_not_end_the_sleep() {
    let fake = Fake::new();
    fake.cut_timeouts_to(20);
    let timer = JsTimer::new();
    let before = timer.now();
    timer.sleep(50 * MS).await;
    assert!(timer.now().saturating_duration_since(before) >= 50 * MS);
    assert!(fake.timeouts().len() >= 3, "{:?}", fake.timeouts());
}

/// R8: the time that the machine sleeps counts, also where `performance.now()` stops meanwhile.
#[wasm_bindgen_test]
async fn time_slept_counts() {
    let fake = Fake::new();
    let timer = JsTimer::new();
    let before = timer.now();
    let mut sleep = timer.sleep(HOUR);
    fake.step_date(2.0 * 3_600_000.0);
    let passed = timer.now().saturating_duration_since(before);
    assert!(passed >= 2 * HOUR && passed < 3 * HOUR, "{passed:?}");
    assert!((&mut sleep).now_or_never().is_some(), "it is over, whatever its timeout does");
}

/// R8: a leader whose machine slept knows at once that its reign is over, before any timeout fires.
#[wasm_bindgen_test]
async fn a_woken_leader_does_not_lead() {
    let (candidate, driver) = Builder::new("k").build(MemoryStorage::new()).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    spawn_local(driver.run_until(stopped.map(drop)).map(drop));
    let leadership = candidate.elected().await.unwrap();
    assert!(candidate.is_leader() && leadership.is_valid());
    let fake = Fake::new();
    fake.step_date(60_000.0);
    assert!(!candidate.is_leader() && !leadership.is_valid());
    drop(fake);
    drop(stop);
    leadership.lost().await;
}

#[wasm_bindgen_test]
async fn a_step_back_of_the_date_does_not_count() {
    let fake = Fake::new();
    let timer = JsTimer::new();
    let before = timer.now();
    fake.step_date(-3_600_000.0);
    let now = timer.now();
    assert!(now >= before && now.saturating_duration_since(before) < HOUR);
    timer.sleep(20 * MS).await;
    assert!(timer.now().saturating_duration_since(now) >= 20 * MS);
}

#[wasm_bindgen_test]
async fn without_performance_there_is_the_date() {
    let fake = Fake::new();
    let timer = JsTimer::new();
    fake.hide_performance();
    let before = timer.now();
    timer.sleep(20 * MS).await;
    fake.step_date(-3_600_000.0);
    let now = timer.now();
    assert!(now.saturating_duration_since(before) >= 20 * MS && now.saturating_duration_since(before) < HOUR);
    timer.sleep(20 * MS).await;
    assert!(timer.now().saturating_duration_since(now) >= 20 * MS);
    assert!(fake.timeouts().len() <= 6, "it did not end when it was over: {:?}", fake.timeouts());
}

/// Sessions are unlike each other, and so are the ids of those that were given none.
#[wasm_bindgen_test]
async fn ids_and_sessions_are_drawn() {
    let storage = Witness::default();
    for key in 0..100 {
        let (candidate, mut driver) = Builder::new(format!("k{key}")).build(storage.clone()).unwrap();
        driver.step().await;
        assert!(candidate.is_leader());
    }
    storage.assert_drawn(100);
}

/// They still are when JavaScript's randomness fails after it was asked at the start.
#[wasm_bindgen_test]
async fn randomness_that_fails_later_is_made_up_for() {
    let fake = Fake::new();
    let storage = Witness::default();
    for key in 0..100 {
        fake.limit_draws(2);
        let (_candidate, mut driver) = Builder::new(format!("k{key}")).build(storage.clone()).unwrap();
        driver.step().await;
    }
    storage.assert_drawn(100);
}

#[wasm_bindgen_test]
fn without_randomness_nothing_is_built() {
    let fake = Fake::new();
    for draws in 0..2 {
        fake.limit_draws(draws);
        let built = Builder::new("k").id("a").build(MemoryStorage::new());
        assert!(matches!(built, Err(BuildError::NoEntropy(_))));
    }
}

/// R1 to R14, as far as they are the storage's.
#[wasm_bindgen_test]
async fn memory_conforms() {
    let outcome: Result<(), Failures> = conformance::run(&Memory(MemoryStorage::new())).await.into_result();
    outcome.unwrap();
}

/// A driver that is dropped in the midst of a sleep leaves no timeout behind, which would keep Node from ending.
#[wasm_bindgen_test]
async fn nothing_is_left_behind() {
    let fake = Fake::new();
    let storage = MemoryStorage::new();
    for id in ["a", "b"] {
        let (_candidate, driver) = Builder::new("k").id(id).build(storage.clone()).unwrap();
        let running = driver.run_until(pending::<()>());
        futures::select! {
            _ = running.fuse() => unreachable!("it was not stopped"),
            () = JsTimer::new().sleep(20 * MS).fuse() => {}
        }
    }
    assert!(fake.timeouts().len() > 2);
    assert_eq!(fake.pending(), 0);
}

#[wasm_bindgen_test]
fn the_first_reading_has_a_past() {
    assert!(JsTimer::new().now() >= Instant::from_origin(Duration::from_secs(1)));
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

struct Memory(MemoryStorage);

#[async_trait(?Send)]
impl Harness for Memory {
    type Storage = MemoryStorage;
    type Timer = JsTimer;

    async fn storage(&self) -> Result<MemoryStorage, StorageError> {
        Ok(self.0.clone())
    }

    fn timer(&self) -> JsTimer {
        JsTimer::new()
    }

    fn ttl(&self) -> Duration {
        250 * MS
    }
}

/// Memory that remembers who claimed.
#[derive(Clone, Default)]
struct Witness {
    memory: MemoryStorage,
    claims: Rc<RefCell<Vec<(String, u128)>>>,
}

impl Witness {
    fn assert_drawn(&self, candidates: usize) {
        let claims = self.claims.borrow();
        let ids: BTreeSet<_> = claims.iter().map(|(id, _)| id).collect();
        let sessions: BTreeSet<_> = claims.iter().map(|(_, session)| session).collect();
        assert_eq!((claims.len(), ids.len(), sessions.len()), (candidates, candidates, candidates));
        // Version 4, and not a few bits that vary: each bit of a session is set in some and clear in others.
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'), "{ids:?}");
        let (all, any) = sessions.iter().fold((u128::MAX, 0), |(all, any), bits| (all & **bits, any | **bits));
        assert_eq!((all, any), (0, u128::MAX));
    }
}

#[async_trait(?Send)]
impl Storage for Witness {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        if let Request::Acquire(claim) = &request {
            self.claims.borrow_mut().push((claim.id.to_string(), claim.session.to_bits()));
        }
        self.memory.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.memory.call_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.memory.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.memory.check().await
    }
}
