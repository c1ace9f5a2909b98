//! Where the leases are: one more board on the bus, which judges by its own clock.
//!
//! It keeps them in memory. After a reset it would grant terms anew: keep the newest term in its flash, or hand out
//! leases only after the longest ttl, from terms that never come back.

use alloc::collections::BTreeMap;

use lessor::storage::{Record, Reply, Request};
use lessor::{Key, StorageError, Term};

use super::ticks::Ticks;

/// The leases.
#[derive(Debug)]
pub struct Arbiter {
    ticks: &'static Ticks,
    records: BTreeMap<Key, Record>,
}

impl Arbiter {
    /// None yet.
    #[must_use]
    pub const fn new(ticks: &'static Ticks) -> Self {
        Self { ticks, records: BTreeMap::new() }
    }

    /// One frame, one atomic step.
    ///
    /// # Errors
    /// [`StorageError`]: the request is about many keys, and a frame is about one.
    pub fn serve(&mut self, request: &Request) -> Result<Reply, StorageError> {
        let key = request.key().ok_or_else(|| StorageError::unsupported(request))?;
        let verdict = Record::judge(self.records.get(key), request, self.ticks.milliseconds(), Term::FIRST);
        self.records.extend(verdict.write.map(|record| (key.clone(), record)));
        Ok(verdict.reply)
    }
}
