//! Who was refused lately: for people who look, kept in memory only.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use lessor::storage::{Acquired, Claim, Reply, Request, Session};
use lessor::{Id, Key};
use serde::Serialize;

/// How many are remembered, of all keys together.
const MOST: usize = 500;

/// Those who claimed and were refused, the last one at the back.
///
/// No row is written for it, so an object that was restarted knows of nobody until they claim again. Nothing is decided by it.
#[derive(Debug, Default)]
pub struct Waiting(RefCell<VecDeque<Refused>>);

/// A panic leaves nothing half done here: nothing panics while it is borrowed.
impl core::panic::RefUnwindSafe for Waiting {}

#[derive(Debug)]
struct Refused {
    key: Key,
    session: Session,
    id: Id,
    at_ms: u64,
    /// Who has not claimed again by then waits no longer.
    until_ms: u64,
}

/// Somebody who waits, as it is shown.
#[derive(Debug, Serialize)]
pub struct Waiter {
    id: Id,
    ago_ms: u64,
}

impl Waiting {
    /// Takes note of what a claim came to.
    pub fn note(&self, request: &Request, reply: &Reply, now_ms: u64) {
        let (Request::Acquire(Claim { key, session, id, ttl, .. }), Reply::Acquired(acquired)) = (request, reply)
        else {
            return;
        };
        let mut refused = self.0.borrow_mut();
        refused.retain(|other| other.session != *session || other.key != *key);
        let Acquired::Refused { retry_after, .. } = acquired else { return };
        if refused.len() == MOST {
            refused.pop_front();
        }
        let until_ms = now_ms.saturating_add(milliseconds(*ttl.max(retry_after)).saturating_mul(2));
        refused.push_back(Refused { key: key.clone(), session: *session, id: id.clone(), at_ms: now_ms, until_ms });
    }

    /// Who waits for this key, the last one who claimed first.
    #[must_use]
    pub fn of(&self, key: &Key, now_ms: u64) -> Vec<Waiter> {
        let refused = self.0.borrow();
        let waiting = refused.iter().rev().filter(|one| one.key == *key && now_ms < one.until_ms);
        waiting.map(|one| Waiter { id: one.id.clone(), ago_ms: now_ms.saturating_sub(one.at_ms) }).collect()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
