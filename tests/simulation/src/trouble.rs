//! What the storage does to some requests and not to others: one key whose row is locked, or more than it can keep up with.

use std::time::Duration;

use lessor::StorageError;
use lessor::storage::Request;

use crate::clock::Nanos;
use crate::operator::number_of;
use crate::sim::World;

/// How the requests for a key fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nobody answers.
    Hangs,
    /// An error.
    Refused,
    /// They are not even sent.
    NotSent,
}

/// What is wrong with some requests.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Of each key until when its requests fail, and how.
    keys: Vec<(Nanos, Option<Way>)>,
    /// Until when only so many renewals of each process get through, each tenth of a ttl.
    busy: (Nanos, u64),
    /// Of each process, which tenth it is, and how many got through in that.
    through: Vec<(Nanos, u64)>,
}

impl World {
    /// From now on the requests for a key fail.
    pub(crate) fn fail_key(&mut self, key: usize, way: Way, until: Nanos) {
        let keys = self.plan.keys;
        self.trouble.keys.resize(keys, (0, None));
        self.trouble.keys[key] = (until, Some(way));
    }

    /// From now on the storage cannot keep up.
    pub(crate) fn make_busy(&mut self, most: u64, until: Nanos) {
        self.trouble.busy = (until, most);
    }

    /// Until when the requests for a key fail, or did.
    pub(crate) fn key_failed_until(&self, key: usize) -> Nanos {
        self.trouble.keys.get(key).map_or(0, |(until, _)| *until)
    }

    pub(crate) fn trouble_of_key(&self, request: &Request) -> Option<Way> {
        let (until, way) = self.trouble.keys.get(number_of(request.key()?)?)?;
        way.filter(|_| self.now < *until)
    }

    /// What comes of a request of a process, unless it is carried out.
    pub(crate) fn trouble(&mut self, process: usize, request: &Request) -> Option<Way> {
        if let Some(way) = self.trouble_of_key(request) {
            return Some(way);
        }
        let (until, most) = self.trouble.busy;
        if self.now >= until {
            return None;
        }
        let processes = self.processes.len();
        self.trouble.through.resize(processes, (0, 0));
        let tenth = self.now / (self.plan.ttl / 10);
        let through = &mut self.trouble.through[process];
        if through.0 != tenth {
            *through = (tenth, 0);
        }
        match request {
            Request::Renew(_) => {
                through.1 += 1;
                (through.1 > most).then_some(Way::NotSent)
            }
            Request::Acquire(_) => Some(Way::NotSent),
            _ => None,
        }
    }
}

impl Way {
    pub(crate) fn error(self) -> StorageError {
        let refused = StorageError::transient("others were before it");
        if self == Self::NotSent { StorageError::not_sent(Duration::ZERO, refused) } else { refused }
    }
}
