//! Candidates of a server that is too slow for them: nothing is lost below its capacity, and what is held is kept above.

use std::sync::Arc;
use std::time::Duration;

use lessor::storage::{Reply, Request};
use lessor::{Builder, Candidate, Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::lane::Lane;

use crate::Bench;
use crate::server::Fake;

/// A storage over a lane, as an adapter is one.
pub(crate) struct OverLane(pub(crate) Lane<Fake>);

#[async_trait]
impl Storage for OverLane {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.ask(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.ask_all(requests).await
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// So many renewals a second are asked for by a thousand candidates of ttl 10 s, which renew every 2 s.
const CANDIDATES: usize = 1_000;
const ASKED: f64 = CANDIDATES as f64 / 2.0;

/// A server that can do this part of what they ask for, and the candidates.
struct Load {
    bench: Arc<OverLane>,
    control: crate::server::Control,
    timer: lessor::ManualTimer,
    candidates: Vec<Candidate>,
}

impl Load {
    fn new(capacity: f64) -> Self {
        let Bench { timer, lane, server: control } = Bench::new(2);
        let storage = Arc::new(OverLane(lane));
        let mut load = Self { bench: storage.clone(), control, timer, candidates: Vec::new() };
        load.set_capacity(capacity);
        for number in 0..CANDIDATES {
            let mut state = number as u64 + 1;
            let entropy = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state
            };
            let builder = Builder::new(format!("{number}")).id("a");
            let (candidate, driver) = builder.build_with(storage.clone(), load.timer.clone(), entropy).unwrap();
            load.timer.spawn(driver.run());
            load.candidates.push(candidate);
        }
        load
    }

    fn set_capacity(&mut self, capacity: f64) {
        let mut state = self.control.state();
        state.takes = Duration::from_millis(2);
        state.takes_a_key = Duration::from_secs_f64(1.0 / (ASKED * capacity));
    }

    fn leaders(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.is_leader()).count()
    }

    /// The least and the most leaders over this time.
    fn watch(&self, time: Duration) -> (usize, usize) {
        let step = Duration::from_millis(250);
        let mut seen = (usize::MAX, 0);
        for _ in 0..time.as_millis() / step.as_millis() {
            self.timer.block_on(lessor::Timer::sleep(&self.timer, step)).unwrap();
            let leaders = self.leaders();
            seen = (seen.0.min(leaders), seen.1.max(leaders));
        }
        seen
    }
}

/// A minute in which the server can do more than it is asked for.
#[test]
fn below_its_capacity_nothing_is_lost() {
    for load in [0.5, 0.9] {
        let load = Load::new(1.0 / load);
        load.watch(Duration::from_secs(10));
        assert_eq!(load.watch(Duration::from_secs(60)), (CANDIDATES, CANDIDATES));
        assert!(load.candidates.iter().all(|candidate| candidate.leadership().unwrap().term() == lessor::Term::FIRST));
        assert_eq!(load.bench.0.traffic().not_sent, 0, "{:?}", load.bench.0.traffic());
    }
}

/// Above it: as many lead as it has room for, and these stay; nobody is elected in vain.
#[test]
fn above_its_capacity_what_is_held_is_kept() {
    for asked in [1.1, 2.0] {
        let load = Load::new(1.0 / asked);
        load.watch(Duration::from_secs(30));
        let room = CANDIDATES as f64 / asked;
        let (least, most) = load.watch(Duration::from_secs(60));
        assert!(least as f64 >= 0.8 * room, "{least} of {room:.0}");
        assert!((most - least) as f64 <= 0.1 * room, "{least} to {most}");
    }
}

/// Its capacity halves midway: some are lost, and then it is as steady as before.
#[test]
fn its_capacity_halves() {
    let mut load = Load::new(1.2);
    load.watch(Duration::from_secs(10));
    assert_eq!(load.watch(Duration::from_secs(20)), (CANDIDATES, CANDIDATES));
    load.set_capacity(0.6);
    load.watch(Duration::from_secs(30));
    let room = CANDIDATES as f64 * 0.6;
    let (least, most) = load.watch(Duration::from_secs(60));
    assert!(least as f64 >= 0.8 * room, "{least} of {room:.0}");
    assert!((most - least) as f64 <= 0.1 * room, "{least} to {most}");
    load.set_capacity(1.2);
    load.watch(Duration::from_secs(20));
    assert_eq!(load.watch(Duration::from_secs(20)), (CANDIDATES, CANDIDATES));
}
