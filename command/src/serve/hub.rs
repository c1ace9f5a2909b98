//! Who watches what: sockets, their keys and prefixes, and one subscription of the storage for each key.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lessor::Key;
use lessor_service::Patterns;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How many changes may wait for a client that reads slowly. With one more its socket is closed.
pub(crate) const CHANGES: usize = 1_024;

/// A socket, by its number.
pub(crate) type Number = u64;

#[derive(Debug)]
struct Socket {
    name: String,
    changes: mpsc::Sender<String>,
    /// Ends it with a code.
    end: Option<oneshot::Sender<u16>>,
    keys: HashSet<Key>,
    prefixes: HashSet<String>,
}

/// What is watched by at least one socket.
#[derive(Debug, Default)]
struct Watched {
    sockets: HashSet<Number>,
    /// Follows the wake-ups of a key.
    follows: Option<JoinHandle<()>>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(follows) = &self.follows {
            follows.abort();
        }
    }
}

#[derive(Debug, Default)]
struct State {
    last: Number,
    sockets: HashMap<Number, Socket>,
    keys: HashMap<Key, Watched>,
    prefixes: HashMap<String, Watched>,
}

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    most: usize,
}

/// What a socket watches from now on that it did not watch before.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) keys: Vec<Key>,
    pub(crate) prefixes: Vec<String>,
    /// Those that nobody watched.
    pub(crate) unlooked: Vec<String>,
}

/// Why there is no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    OfToken,
    OfServer,
}

/// A socket that is open, or about to be: when it is dropped nothing is known of it any more.
#[derive(Debug)]
pub(crate) struct Place {
    hub: Arc<Hub>,
    pub(crate) number: Number,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.forget(self.number);
    }
}

/// What comes to a socket.
#[derive(Debug)]
pub(crate) struct Coming {
    pub(crate) changes: mpsc::Receiver<String>,
    pub(crate) end: oneshot::Receiver<u16>,
}

impl Hub {
    /// For so many sockets at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), most }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// If there is room for one more of this name, of which there may be so many.
    pub(crate) fn open(self: &Arc<Self>, name: &str, most: u32) -> Result<(Place, Coming), Full> {
        let mut state = self.state();
        has_room(&state, self.most, name, most)?;
        state.last += 1;
        let number = state.last;
        let ((changes, changes_come), (end, end_comes)) = (mpsc::channel(CHANGES), oneshot::channel());
        let (keys, prefixes) = (HashSet::new(), HashSet::new());
        state.sockets.insert(number, Socket { name: name.to_owned(), changes, end: Some(end), keys, prefixes });
        Ok((Place { hub: self.clone(), number }, Coming { changes: changes_come, end: end_comes }))
    }

    /// How many keys and prefixes it watches.
    pub(crate) fn count(&self, number: Number) -> u64 {
        let state = self.state();
        state.sockets.get(&number).map_or(0, |socket| (socket.keys.len() + socket.prefixes.len()) as u64)
    }

    /// Has it watch these; `follow` follows the wake-ups of a key that nobody watched.
    pub(crate) fn watch(&self, number: Number, patterns: &Patterns, follow: impl Fn(&Key) -> JoinHandle<()>) -> Added {
        let mut state = self.state();
        let State { sockets, keys, prefixes, .. } = &mut *state;
        let mut added = Added::default();
        let Some(socket) = sockets.get_mut(&number) else { return added };
        for key in &patterns.keys {
            if socket.keys.insert(key.clone()) {
                added.keys.push(key.clone());
            }
            let watched = keys.entry(key.clone()).or_default();
            watched.follows.get_or_insert_with(|| follow(key));
            watched.sockets.insert(number);
        }
        for prefix in &patterns.prefixes {
            if socket.prefixes.insert(prefix.clone()) {
                added.prefixes.push(prefix.clone());
            }
            let watched = prefixes.entry(prefix.clone()).or_default();
            if watched.sockets.is_empty() {
                added.unlooked.push(prefix.clone());
            }
            watched.sockets.insert(number);
        }
        added
    }

    pub(crate) fn unwatch(&self, number: Number, of_keys: &[Key], of_prefixes: &[String]) {
        let mut state = self.state();
        let State { sockets, keys, prefixes, .. } = &mut *state;
        let Some(socket) = sockets.get_mut(&number) else { return };
        for key in of_keys {
            socket.keys.remove(key);
            leave(keys, key, number);
        }
        for prefix in of_prefixes {
            socket.prefixes.remove(prefix);
            leave(prefixes, prefix, number);
        }
    }

    /// Tells those who watch this key.
    pub(crate) fn tell(&self, key: &Key, text: &str) {
        let mut state = self.state();
        let mut told: HashSet<Number> = state.keys.get(key).map(|watched| watched.sockets.clone()).unwrap_or_default();
        if !state.prefixes.is_empty() {
            let key = key.as_str();
            let ends = key.char_indices().map(|(end, _)| end).chain([key.len()]);
            for prefix in ends.filter_map(|end| key.get(..end)) {
                told.extend(state.prefixes.get(prefix).into_iter().flat_map(|watched| &watched.sockets));
            }
        }
        for number in told {
            let Some(socket) = state.sockets.get_mut(&number) else { continue };
            if socket.changes.try_send(text.to_owned()).is_err() {
                // It connects again, and asks again.
                end(socket, 1008);
            }
        }
    }

    /// Whether somebody is told of changes of this key.
    pub(crate) fn is_watched(&self, key: &Key) -> bool {
        let state = self.state();
        let key_str = key.as_str();
        state.keys.contains_key(key)
            || (!state.prefixes.is_empty() && state.prefixes.keys().any(|prefix| key_str.starts_with(prefix.as_str())))
    }

    /// Prefixes that are watched, without those that others of them begin.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<_> = self.state().prefixes.keys().cloned().collect();
        prefixes.sort_unstable();
        prefixes.dedup_by(|next, before| next.starts_with(before.as_str()));
        prefixes
    }

    /// Keys that are watched.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.state().keys.keys().cloned().collect()
    }

    /// Whether no socket is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().sockets.is_empty()
    }

    fn forget(&self, number: Number) {
        let mut state = self.state();
        let State { sockets, keys, prefixes, .. } = &mut *state;
        let Some(socket) = sockets.remove(&number) else { return };
        socket.keys.iter().for_each(|key| leave(keys, key, number));
        socket.prefixes.iter().for_each(|prefix| leave(prefixes, prefix, number));
    }
}

fn has_room(state: &State, most: usize, name: &str, of_token: u32) -> Result<(), Full> {
    if state.sockets.len() >= most {
        return Err(Full::OfServer);
    }
    let open = state.sockets.values().filter(|socket| socket.name == name).count();
    if open >= of_token as usize { Err(Full::OfToken) } else { Ok(()) }
}

fn end(socket: &mut Socket, code: u16) {
    if let Some(end) = socket.end.take() {
        let _ = end.send(code);
    }
}

fn leave<T: std::hash::Hash + Eq>(watched: &mut HashMap<T, Watched>, what: &T, number: Number) {
    if let Some(of) = watched.get_mut(what) {
        of.sockets.remove(&number);
        if of.sockets.is_empty() {
            watched.remove(what);
        }
    }
}
