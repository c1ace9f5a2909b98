//! Whom to wake, by commits of this connection and by those of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use lessor::Key;
use lessor::storage::{Record, Subscribers};
use rusqlite::Connection;

use crate::table::Table;

mod signal;

use signal::Signal;

/// The keys that somebody follows, and what was seen of them last.
pub(crate) struct Followed {
    subscribers: Arc<Subscribers>,
    /// How other processes are told, and tell. `None`: there are none, the database is in memory.
    signal: Option<Signal>,
    /// Without their values, which wake nobody. `None`: there was no record.
    seen: BTreeMap<Key, Option<Record>>,
    /// How many keys may be remembered before the unfollowed are forgotten.
    room: usize,
    /// SQLite's own count of what others committed, as it was at the last look.
    data_version: Option<i64>,
}

impl Followed {
    pub(crate) fn new(subscribers: Arc<Subscribers>, database: Option<&Path>) -> Self {
        let signal = database.map(Signal::beside);
        Self { subscribers, signal, seen: BTreeMap::new(), room: 64, data_version: None }
    }

    /// Follows a key from what it is now. `changed` is called from another thread when the others may have changed
    /// something.
    pub(crate) fn follow(
        &mut self,
        key: Key,
        connection: &Connection,
        table: &Table,
        changed: impl Fn() + Send + 'static,
    ) {
        if let Some(signal) = &mut self.signal
            && let Err(error) = signal.watch(changed)
        {
            self.subscribers.disconnected(&format!("the folder of the database cannot be watched: {error}"));
        }
        if let Ok(Ok(reading)) = table.read(connection, key.as_str()) {
            let before = self.seen.insert(key.clone(), reading.record.clone().map(without_value));
            if before.is_some_and(|before| wakes_followers(before.as_ref(), reading.record.as_ref())) {
                self.subscribers.wake(&key);
            }
        }
        if self.seen.len() > self.room {
            let followed: BTreeSet<_> = self.subscribers.keys().into_iter().collect();
            self.seen.retain(|key, _| followed.contains(key));
            self.room = self.seen.len().saturating_mul(2).max(64);
        }
    }

    /// This connection committed these hand-overs: wakes the followers here and tells those elsewhere.
    pub(crate) fn committed(&mut self, handed_over: &[(Key, Record)]) {
        for (key, record) in handed_over {
            if let Some(seen) = self.seen.get_mut(key) {
                *seen = Some(without_value(record.clone()));
            }
            self.subscribers.wake(key);
        }
        if let (Some(signal), [_, ..]) = (&self.signal, handed_over) {
            signal.send();
        }
    }

    /// Looks which of the followed keys others have changed. A failed look is made up for at the next change.
    pub(crate) fn look(&mut self, connection: &Connection, table: &Table) {
        let version = connection.query_row("PRAGMA main.data_version", [], |row| row.get(0)).ok();
        if version.is_some() && version == self.data_version {
            return;
        }
        self.data_version = None;
        // One for all, as each would open the log anew. It ends with this function.
        let Ok(_looks) = connection.unchecked_transaction() else { return };
        for key in self.subscribers.keys() {
            let Ok(reading) = table.read(connection, key.as_str()) else { return };
            let Ok(reading) = reading else { continue };
            let before = self.seen.insert(key.clone(), reading.record.clone().map(without_value));
            if before.is_none_or(|before| wakes_followers(before.as_ref(), reading.record.as_ref())) {
                self.subscribers.wake(&key);
            }
        }
        self.data_version = version;
    }
}

/// A record that is gone counts as well: it is not this library that deletes one.
fn wakes_followers(before: Option<&Record>, now: Option<&Record>) -> bool {
    now.map_or_else(|| before.is_some(), |now| now.wakes_followers(before))
}

fn without_value(mut record: Record) -> Record {
    record.value = None;
    record
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};
    use lessor::storage::{Session, Version};
    use lessor::{Id, Term};

    use super::*;

    /// What a look missed since it failed is there at the next one, though nobody has committed anything since.
    #[test]
    fn a_failed_look_is_made_up_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leases.db");
        let (own, others) = (Connection::open(&path).unwrap(), Connection::open(&path).unwrap());
        let table = Table::standard();
        own.execute_batch(&table.create).unwrap();
        let subscribers = Arc::new(Subscribers::new());
        let mut followed = Followed::new(subscribers.clone(), None);
        let key = Key::new("k").unwrap();
        let mut wakeups = subscribers.subscribe(&key);
        followed.look(&own, &table);
        let _ = wakeups.next().now_or_never();

        let (session, id) = (Session::from_bits(1), Id::new("a").unwrap());
        let record = Record::restore(Some(session), id, Term::FIRST, Version::FIRST, 10_000, 10_000);
        table.write(&others, &key, &record).unwrap();
        // Within a transaction another cannot be begun.
        own.execute_batch("BEGIN").unwrap();
        followed.look(&own, &table);
        own.execute_batch("ROLLBACK").unwrap();
        assert!(wakeups.next().now_or_never().is_none(), "it failed");
        followed.look(&own, &table);
        assert_eq!(wakeups.next().now_or_never(), Some(Some(())));
    }
}
