use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};
use rusqlite::Connection;

use super::table::Table;
use crate::lease::Key;
use crate::record::Record;
use crate::storage::Topics;

/// Who is to be woken, by commits of this connection and by those of others.
///
/// Others are heard through the directory: whoever commits a grant to another or a release then makes and removes an
/// empty file beside the database. To watch the database's own files would be too early: SQLite writes its log
/// *before* readers can see the commit, and nothing on disk tells when they can.
pub(super) struct Watch {
    topics: Arc<Topics>,
    signal: Option<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    tried: bool,
    seen: BTreeMap<Key, Turn>,
    /// How many keys may be remembered before the unfollowed are forgotten.
    room: usize,
    data_version: Option<i64>,
}

/// What changes when a key passes from hand to hand: the term, and whether it was released. `None`: no record.
type Turn = Option<(u64, bool)>;

fn turn(record: Option<&Record>) -> Turn {
    record.map(|record| (record.term.get(), record.session.is_none()))
}

impl Watch {
    pub(super) fn new(topics: Arc<Topics>, database: Option<&Path>) -> Self {
        let signal = database.map(|path| {
            let mut name = OsString::from(path);
            name.push("-lessor-turn");
            PathBuf::from(name)
        });
        Self { topics, signal, watcher: None, tried: false, seen: BTreeMap::new(), room: 64, data_version: None }
    }

    /// Follows a key from what it is now. `changed` is called from another thread when the others may have changed
    /// something.
    pub(super) fn follow(
        &mut self,
        key: Key,
        connection: &Connection,
        table: &Table,
        changed: impl Fn() + Send + 'static,
    ) {
        if !self.tried {
            self.tried = true;
            self.watcher = self.signal.as_deref().and_then(|signal| watch(signal, changed));
        }
        if let Ok(Ok(reading)) = table.read(connection, key.as_str()) {
            let now = turn(reading.record.as_ref());
            if self.seen.insert(key.clone(), now).is_some_and(|before| before != now) {
                self.topics.wake(&key);
            }
        }
        if self.seen.len() > self.room {
            let followed: BTreeSet<_> = self.topics.keys().into_iter().collect();
            self.seen.retain(|key, _| followed.contains(key));
            self.room = self.seen.len().saturating_mul(2).max(64);
        }
    }

    /// This connection committed these: wakes the followers here and signals to those elsewhere.
    pub(super) fn committed(&mut self, turns: &[(Key, Record)]) {
        for (key, record) in turns {
            if let Some(seen) = self.seen.get_mut(key) {
                *seen = turn(Some(record));
            }
            self.topics.wake(key);
        }
        if !turns.is_empty()
            && let Some(signal) = &self.signal
        {
            send(signal);
        }
    }

    /// Looks which of the followed keys others have changed. A failed look is made up for at the next change.
    pub(super) fn look(&mut self, connection: &Connection, table: &Table) {
        let version = connection.query_row("PRAGMA main.data_version", [], |row| row.get(0)).ok();
        if version.is_some() && version == self.data_version {
            return;
        }
        self.data_version = None;
        for key in self.topics.keys() {
            let Ok(reading) = table.read(connection, key.as_str()) else { return };
            let Ok(reading) = reading else { continue };
            let now = turn(reading.record.as_ref());
            if self.seen.insert(key.clone(), now) != Some(now) {
                self.topics.wake(&key);
            }
        }
        self.data_version = version;
    }
}

/// One of the two makes an event after the caller's commit, whatever others do at the same time: if the file exists,
/// then either it is removed here or its maker has yet to remove it.
fn send(signal: &Path) {
    if File::create_new(signal).is_ok() || fs::symlink_metadata(signal).is_ok_and(|is| is.is_file() && is.len() == 0) {
        let _ = fs::remove_file(signal);
    }
}

/// None where the system cannot or will not tell.
fn watch(signal: &Path, changed: impl Fn() + Send + 'static) -> Option<RecommendedWatcher> {
    let name = signal.file_name()?.to_os_string();
    let handler = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| concerns(&event, &name)) {
            changed();
        }
    };
    // Without a thread to spare, notify panics where it is called and again where it is dropped.
    let mut watcher = ManuallyDrop::new(recommended_watcher(handler).ok()?);
    match catch_unwind(AssertUnwindSafe(|| watcher.watch(signal.parent()?, RecursiveMode::NonRecursive).ok())) {
        Ok(started) => {
            let watcher = ManuallyDrop::into_inner(watcher);
            started.map(|()| watcher)
        }
        Err(_) => None,
    }
}

fn concerns(event: &Event, name: &OsStr) -> bool {
    event.need_rescan()
        || !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| path.file_name() == Some(name))
}
