//! Registers in memory, which count what is asked of them and can be hurt.

#![allow(dead_code, reason = "each test uses the part it needs")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream;
use lessor::storage::List;
use lessor::storage::registers::{Registers, Stored, Swap, Watch};
use lessor::time::AnyTimer;
use lessor::{Key, StorageError, Timer, async_trait};

/// A store that its clones share.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    state: Arc<Mutex<State>>,
    watched: bool,
    /// Its watches have no end of items.
    restless: bool,
    /// Nobody answers.
    away: bool,
    late: Late,
}

/// By how much the swaps of one handle arrive later, and the timer that says when.
#[derive(Clone, Default)]
struct Late(Arc<Mutex<(Duration, Option<AnyTimer>)>>);

#[derive(Default)]
struct State {
    registers: BTreeMap<Key, Stored<u64>>,
    /// What was in them before.
    before: BTreeMap<Key, Stored<u64>>,
    /// Reads answer with that.
    stale: bool,
    watchers: Vec<(Key, mpsc::UnboundedSender<Item>)>,
    /// Watches cannot be made.
    refuses: bool,
    counts: Counts,
    lost: Lost,
    /// How many swaps of a register come too late: somebody else has just written the same.
    crowds: BTreeMap<Key, u32>,
    revision: u64,
}

type Item = Result<Option<Stored<u64>>, StorageError>;

/// How often it was asked, since that was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) reads: usize,
    pub(crate) swaps: usize,
    /// Of these swaps, those that came too late.
    pub(crate) moved: usize,
}

/// What becomes of the next swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lost {
    #[default]
    Nothing,
    Request,
    Reply,
    /// Its sender lacks the right.
    Right,
}

impl Shelf {
    /// One that tells what is written.
    pub(crate) fn watched() -> Self {
        Self { watched: true, ..Self::default() }
    }

    /// One that tells over and over what was written.
    pub(crate) fn restless() -> Self {
        Self { watched: true, restless: true, ..Self::default() }
    }

    /// The same store for another handle, whose swaps may linger.
    pub(crate) fn handle(&self, timer: AnyTimer) -> Self {
        let late = Late(Arc::new(Mutex::new((Duration::ZERO, Some(timer)))));
        Self { late, ..self.clone() }
    }

    /// The swaps of this handle are under way for so long.
    pub(crate) fn linger(&self, time: Duration) {
        self.late.0.lock().unwrap().0 = time;
    }

    /// Another one, which cannot be reached.
    pub(crate) fn away() -> Self {
        Self { away: true, ..Self::default() }
    }

    fn answers(&self) -> Result<(), StorageError> {
        if self.away { Err(StorageError::transient("nobody is there")) } else { Ok(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    pub(crate) fn lose(&self, lost: Lost) {
        self.state().lost = lost;
    }

    /// Others write to this register, just before the next so many swaps of it.
    pub(crate) fn crowd(&self, key: &Key, swaps: u32) {
        self.state().crowds.insert(key.clone(), swaps);
    }

    /// Reads answer with what was before the last write, or with that again.
    pub(crate) fn stale(&self, stale: bool) {
        self.state().stale = stale;
    }

    /// All watches end.
    pub(crate) fn cut(&self) {
        for (_, watcher) in self.state().watchers.drain(..) {
            let _ = watcher.unbounded_send(Err(StorageError::transient("connection reset")));
        }
    }

    /// No watch can be made, or they can again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// Watches are told of this, whatever has been written since.
    pub(crate) fn tell(&self, key: &Key, stored: Stored<u64>) {
        self.state().tell(key, &stored);
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Stored<u64>> {
        self.state().registers.get(key).cloned()
    }

    /// As another program would.
    pub(crate) fn put(&self, key: &Key, bytes: &[u8]) {
        self.state().put(key, bytes.to_vec());
    }
}

impl State {
    fn put(&mut self, key: &Key, bytes: Vec<u8>) -> u64 {
        self.revision += 1;
        let stored = Stored::new(bytes, self.revision);
        self.tell(key, &stored);
        if let Some(before) = self.registers.insert(key.clone(), stored) {
            self.before.insert(key.clone(), before);
        }
        self.revision
    }

    fn tell(&mut self, key: &Key, stored: &Stored<u64>) {
        self.watchers.retain(|(watched, watcher)| {
            watched != key && !watcher.is_closed() || watcher.unbounded_send(Ok(Some(stored.clone()))).is_ok()
        });
    }
}

#[async_trait]
impl Registers for Shelf {
    type Revision = u64;

    fn name(&self) -> &str {
        "the shelf"
    }

    async fn read(&self, key: &Key) -> Result<Option<Stored<u64>>, StorageError> {
        self.answers()?;
        let mut state = self.state();
        state.counts.reads += 1;
        let registers = if state.stale { &state.before } else { &state.registers };
        Ok(registers.get(key).cloned())
    }

    async fn swap(&self, swap: &Swap<u64>) -> Result<Option<u64>, StorageError> {
        self.answers()?;
        let (late, timer) = self.late.0.lock().unwrap().clone();
        if let Some(timer) = timer.filter(|_| !late.is_zero()) {
            timer.sleep(late).await;
        }
        let mut state = self.state();
        state.counts.swaps += 1;
        let lost = std::mem::take(&mut state.lost);
        if lost == Lost::Request {
            return Err(StorageError::transient("connection reset"));
        }
        if lost == Lost::Right {
            return Err(StorageError::permanent("the user may not write"));
        }
        if let Some(left) = state.crowds.get_mut(&swap.key).filter(|left| **left > 0) {
            *left -= 1;
            if let Some(same) = state.registers.get(&swap.key).cloned() {
                state.put(&swap.key, same.bytes);
            }
            state.counts.moved += 1;
            return Ok(None);
        }
        if state.registers.get(&swap.key).map(|stored| stored.revision) != swap.expected {
            state.counts.moved += 1;
            return Ok(None);
        }
        let revision = state.put(&swap.key, swap.bytes.clone());
        if lost == Lost::Reply { Err(StorageError::transient("connection reset")) } else { Ok(Some(revision)) }
    }

    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<u64>)>, StorageError> {
        self.answers()?;
        let state = self.state();
        let all = state.registers.iter().map(|(key, stored)| (key.clone(), stored.clone()));
        Ok(all.skip_while(|(key, _)| list.start.as_ref().is_some_and(|start| key < start)).collect())
    }

    fn watch(&self, key: &Key) -> Option<Watch<u64>> {
        let mut state = self.state();
        let (watcher, items) = mpsc::unbounded();
        let stored = state.registers.get(key).cloned();
        if self.restless {
            return Some(Watch::new(stream::repeat_with(move || Ok(stored.clone()))));
        }
        let first = if state.refuses { Err(StorageError::transient("refused")) } else { Ok(stored) };
        let _ = watcher.unbounded_send(first);
        state.watchers.push((key.clone(), watcher));
        self.watched.then(|| Watch::new(items))
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.answers()
    }
}
