//! Elections that run while something goes wrong: who leads is watched all the time.

mod log;
mod watch;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{join, join_all, poll_fn, select};
use lessor::storage::Session;
use lessor::{Builder, Candidate, Config, Event, Instant, Storage, SystemTimer, Term, Timer};

pub use log::{Entry, Log};
use watch::Watch;

/// After this long a wait has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a machine may need beyond the bounds that the library promises: a busy one, connections that are made anew.
const SLACK: Duration = Duration::from_secs(5);

/// Nodes with a storage each, all of which campaign for the same keys.
pub struct Elections {
    keys: Vec<&'static str>,
    config: Config,
    nodes: Vec<Node>,
    log: Arc<Log>,
    watch: Watch,
}

/// Like a process: a thread of its own, and one candidate a key.
struct Node {
    candidates: Vec<Candidate>,
    sessions: Vec<Arc<Mutex<Vec<u64>>>>,
    /// Whoever has it keeps the drivers from running.
    turn: Arc<Mutex<()>>,
    killed: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Elections {
    /// One node a storage, named `node-0` and so on.
    ///
    /// # Panics
    /// If the configuration does not fit.
    #[must_use]
    pub fn start(keys: &[&'static str], storages: Vec<Arc<dyn Storage>>, tune: impl Fn(Builder) -> Builder) -> Self {
        let log = Arc::new(Log::default());
        let mut config = None;
        let mut nodes = Vec::new();
        for (node, storage) in storages.into_iter().enumerate() {
            let (mut candidates, mut drivers, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
            for key in keys {
                let drawn = Arc::new(Mutex::new(Vec::new()));
                let builder = tune(Builder::new(*key)).id(format!("node-{node}"));
                let built = builder.build_with(storage.clone(), SystemTimer::new(), entropy(drawn.clone()));
                let (candidate, driver) = built.expect("a configuration that fits");
                config.get_or_insert_with(|| driver.config().clone());
                candidates.push(candidate);
                drivers.push(driver);
                sessions.push(drawn);
            }
            let (killed, kill) = oneshot::channel();
            let events: Vec<_> = candidates.iter().map(Candidate::events).collect();
            let (log, turn) = (log.clone(), Arc::new(Mutex::new(())));
            let taken = turn.clone();
            let thread = thread::spawn(move || {
                let listen = join_all(events.into_iter().enumerate().map(|(key, mut events)| {
                    let log = log.clone();
                    async move {
                        while let Some(event) = events.next().await {
                            log.push(node, key, event);
                        }
                    }
                }));
                let drive = join_all(drivers.into_iter().map(lessor::Driver::run));
                let mut node = select(join(drive, listen).boxed(), kill);
                block_on(poll_fn(|cx| {
                    let _turn = taken.lock();
                    node.poll_unpin(cx).map(drop)
                }));
            });
            nodes.push(Node { candidates, sessions, turn, killed: Some(killed), thread: Some(thread) });
        }
        let watched = (0..keys.len()).map(|key| nodes.iter().map(|node| node.candidates[key].clone()).collect());
        let watch = Watch::start(watched.collect());
        Self { keys: keys.to_vec(), config: config.expect("there is a node"), nodes, log, watch }
    }

    /// Of this node, for the first key.
    #[must_use]
    pub fn candidate(&self, node: usize) -> &Candidate {
        &self.nodes[node].candidates[0]
    }

    /// With which this node began, for the first key.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn first_session(&self, node: usize) -> Session {
        let drawn = self.nodes[node].sessions[0].lock().expect("no test panicked here");
        Session::from_bits(u128::from(drawn[0]) << 64 | u128::from(drawn[1]))
    }

    /// What happened so far, and what is to come.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The durations of all candidates.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Who leads the first key, and in which term, as soon as somebody does.
    #[must_use]
    pub fn leader(&self) -> (usize, Term) {
        self.wait("somebody leads", || {
            self.nodes
                .iter()
                .enumerate()
                .find_map(|(node, candidates)| Some((node, candidates.candidates[0].leadership()?.term())))
        })
    }

    /// Until this is so. It is looked at after each event, and now and then.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn wait<T>(&self, what: &str, found: impl FnMut() -> Option<T>) -> T {
        self.log.wait(what, PATIENCE, found)
    }

    /// Until an event of this node and the first key, from this place in the log on.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn wait_for<T>(&self, node: usize, mark: usize, what: &str, is: impl Fn(&Event) -> Option<T>) -> T {
        self.wait(what, || {
            let entries = self.log.since(mark);
            entries.iter().filter(|entry| (entry.node, entry.key) == (node, 0)).find_map(|entry| is(&entry.event))
        })
    }

    /// Until this node has heard from the storage who leads the first key.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn follows(&self, node: usize) {
        let began = now();
        self.wait(&format!("node {node} follows"), || {
            let status = self.candidate(node).status();
            let heard = status.failures == 0 && status.last_success? > began;
            (heard && status.leader?.term == self.leader().1).then_some(())
        });
        let took = now().saturating_duration_since(began);
        println!("{}: node {node} follows after {took:?}", thread::current().name().unwrap_or_default());
    }

    /// How many keys somebody leads just now.
    #[must_use]
    pub fn led(&self) -> usize {
        let led = |key: &usize| self.nodes.iter().any(|node| node.candidates[*key].is_leader());
        (0..self.keys.len()).filter(led).count()
    }

    /// Nobody leads the first key just now.
    #[must_use]
    pub fn nobody_leads(&self) -> bool {
        self.nodes.iter().all(|node| !node.candidates[0].is_leader())
    }

    /// For each key somebody leads whom the storage has told so after this instant, and does in time.
    ///
    /// `frozen`: for how long the storage may grant nothing besides.
    ///
    /// # Panics
    /// If nobody does.
    pub fn all_led_after(&self, healed: Instant, frozen: Duration) {
        let Config { ttl, margin, retry_interval, request_timeout, .. } = self.config;
        let granted_after = |deadline: Instant| deadline > healed.saturating_add(ttl - margin);
        for (key, name) in self.keys.iter().enumerate() {
            self.wait(&format!("somebody leads {name} after {healed:?}"), || {
                self.log.since(0).iter().filter(|entry| entry.key == key).find_map(|entry| match entry.event {
                    Event::Elected { deadline, .. } | Event::Renewed { deadline, .. } => {
                        granted_after(deadline).then_some(())
                    }
                    _ => None,
                })
            });
        }
        let took = now().saturating_duration_since(healed);
        let bound = (ttl + retry_interval).mul_f64(1.1) + request_timeout * 2 + frozen;
        println!("{}: all led after {took:?}, promised {bound:?}", thread::current().name().unwrap_or_default());
        assert!(took < bound + SLACK, "all are led again after {took:?}, promised are {bound:?}\n{}", self.log);
    }

    /// The drivers of this node get no time until this is dropped, as those of a starved machine.
    ///
    /// # Panics
    /// If the node did.
    pub fn starve(&self, node: usize) -> MutexGuard<'_, ()> {
        self.nodes[node].turn.lock().expect("no node panicked")
    }

    /// The process of this node is gone: nothing is released.
    pub fn kill(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        drop(node.killed.take());
        node.thread.take().map(JoinHandle::join);
    }

    /// Ends all, and says whether anything was wrong at any time.
    ///
    /// # Panics
    /// If it was.
    pub fn finish(mut self) {
        self.wait("it was looked at often", || self.watch.has_seen().then_some(()));
        for node in &mut self.nodes {
            let Some(thread) = node.thread.take() else { continue };
            block_on(join_all(node.candidates.iter().map(Candidate::shutdown)));
            assert!(thread.join().is_ok(), "a node panicked");
        }
        self.watch.finish();
        for (key, name) in self.keys.iter().enumerate() {
            let mut terms: Vec<_> = self.log.elected(key);
            assert!(!terms.is_empty(), "nobody ever led {name}");
            // Each was asked for a fixed time before its deadline; and a claim older than a grant is refused.
            terms.sort_by_key(|(deadline, _)| *deadline);
            let grow = terms.windows(2).all(|pair| pair[0].1 < pair[1].1);
            assert!(grow, "the terms of {name} do not grow: {terms:?}\n{}", self.log);
        }
    }
}

/// Unpredictable, and remembered.
fn entropy(drawn: Arc<Mutex<Vec<u64>>>) -> impl FnMut() -> u64 + Send + 'static {
    move || {
        let bits = RandomState::new().build_hasher().finish();
        drawn.lock().expect("no test panicked here").push(bits);
        bits
    }
}

/// By the clock of all candidates.
#[must_use]
pub fn now() -> Instant {
    SystemTimer::new().now()
}

/// Until this instant.
pub fn sleep_until(instant: Instant) {
    let left = instant.saturating_duration_since(now());
    if !left.is_zero() {
        block_on(SystemTimer::new().sleep(left));
    }
}

impl fmt::Debug for Elections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elections").field("keys", &self.keys).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}
