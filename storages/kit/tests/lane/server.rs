//! A server in virtual time: it takes as long as it is told to, and fails as it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lessor::storage::{Acquired, Operation, Record, Reply, Request};
use lessor::{Instant, Key, ManualTimer, StorageError, Term, Timer};
use lessor_kit::lane::{Answer, Broken, Flight, Server};
use lessor_kit::row::Reading;

/// What the lane has.
pub(crate) struct Fake {
    shared: Arc<Mutex<State>>,
    timer: ManualTimer,
}

/// What the test has.
pub(crate) struct Control {
    shared: Arc<Mutex<State>>,
    timer: ManualTimer,
}

/// A flight as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) operation: Operation,
    pub(crate) keys: Vec<String>,
    pub(crate) waits_for_lock: bool,
}

pub(crate) struct State {
    pub(crate) records: BTreeMap<Key, Record>,
    pub(crate) locked: BTreeSet<Key>,
    pub(crate) flights: Vec<Seen>,
    /// How long a flight takes, and how much longer for each of its keys. All connections share one server.
    pub(crate) takes: Duration,
    pub(crate) takes_a_key: Duration,
    free_at: Instant,
    /// How long opening a connection takes.
    pub(crate) opening_takes: Duration,
    /// Why none can be opened.
    pub(crate) refuses: Option<StorageError>,
    opened: usize,
    /// How many are being opened, and how many are open.
    pub(crate) opening: usize,
    pub(crate) open: usize,
    /// Connections up to this one never answer again.
    silent: usize,
    /// Connections up to this one are broken.
    broken: usize,
    pub(crate) hints: usize,
    pub(crate) has_hints: bool,
    pub(crate) panics: bool,
}

pub(crate) fn fake(timer: &ManualTimer) -> (Fake, Control) {
    let shared = Arc::new(Mutex::new(State {
        records: BTreeMap::new(),
        locked: BTreeSet::new(),
        flights: Vec::new(),
        takes: Duration::from_millis(5),
        takes_a_key: Duration::ZERO,
        free_at: Instant::default(),
        opening_takes: Duration::from_millis(50),
        refuses: None,
        opened: 0,
        opening: 0,
        open: 0,
        silent: 0,
        broken: 0,
        hints: 0,
        has_hints: false,
        panics: false,
    }));
    let (timer, control) = (timer.clone(), Control { shared: shared.clone(), timer: timer.clone() });
    (Fake { shared, timer }, control)
}

impl Control {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap()
    }

    pub(crate) fn flights(&self) -> Vec<Seen> {
        self.state().flights.clone()
    }

    pub(crate) fn forget_flights(&self) {
        self.state().flights.clear();
    }

    /// What is open now never answers again; new connections work.
    pub(crate) fn silence(&self) {
        let mut state = self.state();
        state.silent = state.opened;
    }

    /// What is open now is closed, without a word before somebody uses it.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.broken = state.opened;
    }

    /// Each connection breaks when it is used.
    pub(crate) fn break_for_good(&self) {
        self.state().broken = usize::MAX;
    }

    /// It stands still, and goes on with what it was asked.
    pub(crate) fn stall(&self, time: Duration) {
        let mut state = self.state();
        state.free_at = self.timer.now().saturating_add(time);
    }

    pub(crate) fn lock(&self, key: &str) {
        self.state().locked.insert(crate::key(key));
    }

    pub(crate) fn unlock(&self, key: &str) {
        self.state().locked.remove(&crate::key(key));
    }
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap()
    }

    fn answer(&self, request: &Request, now: Instant) -> Answer {
        let now_ms = u64::try_from(now.since_origin().as_millis()).unwrap();
        let mut state = self.state();
        let Some(key) = request.key().cloned() else { return Answer::done(Ok(Reply::Listed(Default::default()))) };
        let current = state.records.get(&key).cloned();
        let verdict = Record::judge(current.as_ref(), request, now_ms, Term::FIRST);
        let is_read = matches!(verdict.reply, Reply::Got(_) | Reply::Acquired(Acquired::Refused { .. }));
        if verdict.write.is_some() && state.locked.contains(&key) {
            return Answer::Locked;
        }
        if let Some(record) = verdict.write {
            state.records.insert(key, record);
            return Answer::done(Ok(verdict.reply));
        }
        let mut reading = Reading::absent(now_ms);
        reading.record = current;
        if is_read { Answer::seen(verdict.reply, reading) } else { Answer::done(Ok(verdict.reply)) }
    }
}

/// Is closed when it is dropped.
pub(crate) struct Connection {
    number: usize,
    shared: Arc<Mutex<State>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.lock().unwrap().open -= 1;
    }
}

/// An attempt to open one. It may be given up.
struct Opening(Arc<Mutex<State>>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.lock().unwrap().opening -= 1;
    }
}

impl Server for Fake {
    type Connection = Connection;
    const THREAD: &'static str = "fake";

    async fn connect(&self) -> Result<Connection, StorageError> {
        let (takes, refuses) = {
            let mut state = self.state();
            state.opening += 1;
            (state.opening_takes, state.refuses.clone())
        };
        let _opening = Opening(self.shared.clone());
        self.timer.sleep(takes).await;
        if let Some(why) = refuses {
            return Err(why);
        }
        let mut state = self.state();
        state.opened += 1;
        state.open += 1;
        Ok(Connection { number: state.opened, shared: self.shared.clone() })
    }

    async fn send(&self, connection: &mut Connection, flight: &Flight) -> Result<Vec<Answer>, Broken> {
        let now = self.timer.now();
        let (silent, broken, done_at) = {
            let mut state = self.state();
            assert!(!state.panics, "as the test wants it");
            let seen = Seen {
                at: now,
                operation: flight.requests[0].operation(),
                keys: flight.requests.iter().filter_map(Request::key).map(ToString::to_string).collect(),
                waits_for_lock: flight.lock_patience.is_some(),
            };
            state.flights.push(seen);
            let takes = state.takes + state.takes_a_key * u32::try_from(flight.requests.len()).unwrap();
            let (silent, broken) = (connection.number <= state.silent, connection.number <= state.broken);
            if !silent && !broken {
                state.free_at = state.free_at.max(now).saturating_add(takes);
            }
            (silent, broken, state.free_at)
        };
        if broken {
            return Err(StorageError::transient("connection reset by peer").into());
        }
        if silent {
            pending::<()>().await;
        }
        self.timer.sleep(done_at.saturating_duration_since(now)).await;
        if connection.number <= self.state().silent {
            pending::<()>().await;
        }
        if let Some(patience) = flight.lock_patience {
            let until = self.timer.now().saturating_add(patience);
            let key = flight.requests[0].key().unwrap();
            while self.state().locked.contains(key) && self.timer.now() < until {
                self.timer.sleep(Duration::from_millis(10)).await;
            }
        }
        let now = self.timer.now();
        Ok(flight.requests.iter().map(|request| self.answer(request, now)).collect())
    }

    fn has_hints(&self) -> bool {
        self.state().has_hints
    }

    async fn send_hints(&self, _: &mut Connection) -> Result<(), Broken> {
        let mut state = self.state();
        state.has_hints = false;
        state.hints += 1;
        Ok(())
    }
}
