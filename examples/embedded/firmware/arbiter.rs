//! Where the leases are: one more board on the bus, which judges by its own clock.
//!
//! It keeps them in memory. After a reset it would grant terms anew: keep the newest term in its flash, or hand out leases
//! only after the longest ttl, from terms that never come back.

use alloc::collections::BTreeMap;

use lessor::{Key, Record, Reply, Request, StorageError, Term};

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
    pub fn serve(&mut self, request: Request) -> Reply {
        let now_ms = self.ticks.milliseconds();
        match request {
            Request::Acquire(claim) => {
                let verdict = Record::acquire(self.records.get(&claim.key), &claim, now_ms, Term::FIRST);
                self.write(claim.key, verdict.write);
                Reply::Acquired(verdict.answer)
            }
            Request::Renew(claim, term) => {
                let verdict = Record::renew(self.records.get(&claim.key), &claim, term, now_ms);
                self.write(claim.key, verdict.write);
                Reply::Renewed(verdict.answer)
            }
            Request::Release(key, session) => {
                let write = Record::release(self.records.get(&key), session);
                self.write(key, write);
                Reply::Released
            }
            Request::Get(key) => Reply::Got(self.records.get(&key).map(|record| record.lease(now_ms))),
            _ => Reply::Failed(StorageError::permanent("the arbiter does not know this request")),
        }
    }

    fn write(&mut self, key: Key, record: Option<Record>) {
        self.records.extend(record.map(|record| (key, record)));
    }
}
