//! What this server knows of keys: who holds them, what happened to them, and who used them first.
//!
//! It is kept in memory, from what passes through this server and from what its watches see. No lease is judged by it: that is for the storage.
//!
//! `due` says when to look at a key again, `changes` what happened to it, `owners` who used it first,
//! `idle` which key makes room for another.

mod changes;
mod due;
mod idle;
mod owners;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use lessor::storage::{Acquired, Renewed, Reply, Request, Session};
use lessor::{Key, Lease};
use lessor_service::{Change, Entry};
use tokio::time::Instant;

use self::changes::Changes;
use self::due::Due;
use self::idle::Idle;
pub(crate) use self::owners::First;

/// So many keys are known at most.
const MOST: usize = 100_000;

/// A change of hands, for those who watch.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) key: Key,
    pub(crate) change: Change,
    pub(crate) id: String,
    pub(crate) term: u64,
    pub(crate) at: Instant,
}

#[derive(Debug, Default)]
struct State {
    /// The newest one; 0: there was none.
    term: u64,
    /// It was released or revoked: nobody holds it.
    over: bool,
    expired: bool,
    /// Who holds it, or held it last.
    id: String,
    /// Of who holds it, if it was granted here.
    session: Option<Session>,
    /// When it ends, by what is known here.
    ends: Option<Instant>,
    /// When it is looked at.
    due_at: Option<Instant>,
    /// Its number among those that make room.
    idle: Option<u64>,
    /// Nobody has used it since: it is not listed.
    forgotten: bool,
    /// Who used it for the first time.
    owner: Option<String>,
}

impl State {
    /// Nothing is lost with it but its history.
    fn is_idle(&self) -> bool {
        self.owner.is_none() && !self.forgotten && (self.over || self.expired || self.term == 0)
    }
}

#[derive(Debug)]
pub(crate) struct Known {
    keys: HashMap<Key, State>,
    /// How many keys each has used for the first time.
    owned: HashMap<String, u64>,
    due: Due,
    changes: Changes,
    idle: Idle,
    most: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self::of_at_most(MOST)
    }
}

impl Known {
    /// For so many keys.
    fn of_at_most(most: usize) -> Self {
        let (due, changes, idle) = (Due::default(), Changes::default(), Idle::default());
        Self { keys: HashMap::new(), owned: HashMap::new(), due, changes, idle, most }
    }

    /// Takes note of what a request came to.
    pub(crate) fn note(&mut self, request: &Request, reply: &Reply, now: Instant) -> Option<Noted> {
        let noted = self.note_of(request, reply, now);
        if let Some(key) = request.key() {
            self.settle(key);
        }
        noted
    }

    fn note_of(&mut self, request: &Request, reply: &Reply, now: Instant) -> Option<Noted> {
        match (request, reply) {
            (Request::Acquire(claim), Reply::Acquired(Acquired::Granted { term, .. })) => {
                let ends = now + claim.ttl;
                let state = self.state(&claim.key)?;
                state.forgotten = false;
                let again = state.term == term.get() && !state.over;
                if state.term > term.get() {
                    return None;
                }
                (state.term, state.over, state.expired) = (term.get(), false, false);
                (state.id, state.session) = (claim.id.to_string(), Some(claim.session));
                self.ends(&claim.key, ends);
                if again { None } else { self.happened(&claim.key, Change::Granted, now) }
            }
            (Request::Acquire(claim), Reply::Acquired(Acquired::Refused { lease, .. })) => {
                self.seen(&claim.key, lease.as_ref(), None, now)
            }
            (Request::Renew(renewal), Reply::Renewed(Renewed::Extended { .. })) => {
                let state = self.keys.get_mut(&renewal.key)?;
                if state.term == renewal.term.get() && !state.over {
                    (state.session, state.expired) = (Some(renewal.session), false);
                    self.ends(&renewal.key, now + renewal.ttl);
                }
                None
            }
            (Request::Renew(renewal), Reply::Renewed(Renewed::Lost { lease, .. })) => {
                self.seen(&renewal.key, lease.as_ref(), None, now)
            }
            (Request::Release(release), Reply::Released) => {
                let state = self.keys.get_mut(&release.key)?;
                if state.over || state.session != Some(release.session) {
                    return None;
                }
                (state.over, state.session, state.ends) = (true, None, None);
                self.happened(&release.key, Change::Released, now)
            }
            (Request::Revoke(revoke), Reply::Revoked(Some(before))) => {
                let state = self.state(&revoke.key)?;
                let term = before.term.get().saturating_add(1);
                if state.term >= term {
                    return None;
                }
                if let Some(id) = &before.id {
                    state.id = id.to_string();
                }
                (state.term, state.over, state.session, state.ends) = (term, true, None, None);
                self.happened(&revoke.key, Change::Revoked, now)
            }
            (Request::Get(get), Reply::Got(lease)) => self.seen(&get.key, lease.as_ref(), None, now),
            _ => None,
        }
    }

    /// Whether a release may have ended a lease of which is not known here whose it was.
    pub(crate) fn is_open(&self, key: &Key) -> bool {
        self.keys.get(key).is_some_and(|state| state.term > 0 && !state.over && state.session.is_none())
    }

    /// Takes note of a lease that was looked up. `fresh`: of a key that was not known until now a grant is news if it is no older than that.
    pub(crate) fn seen(
        &mut self,
        key: &Key,
        lease: Option<&Lease>,
        fresh: Option<Duration>,
        now: Instant,
    ) -> Option<Noted> {
        let noted = self.note_seen(key, lease, fresh, now);
        self.settle(key);
        noted
    }

    fn note_seen(&mut self, key: &Key, lease: Option<&Lease>, fresh: Option<Duration>, now: Instant) -> Option<Noted> {
        let Some(lease) = lease else {
            // That nobody ever had it is worth knowing: the next who has is news.
            self.state(key)?;
            return None;
        };
        let is_new = !self.keys.contains_key(key);
        let state = self.state(key)?;
        let (term, before) = (lease.term.get(), state.term);
        if term < before {
            return None;
        }
        let Some(id) = &lease.id else {
            if is_new || (state.over && term == before) {
                (state.term, state.over) = (term, true);
                return None;
            }
            // A revoke has a term of its own; a release has that of who released.
            let change = if term == before { Change::Released } else { Change::Revoked };
            (state.term, state.over, state.session, state.ends) = (term, true, None, None);
            return if state.id.is_empty() { None } else { self.happened(key, change, now) };
        };
        if term == before && state.over {
            // Older than what is known.
            return None;
        }
        let granted = term > before;
        if granted {
            (state.term, state.over, state.expired, state.session) = (term, false, false, None);
            state.id = id.to_string();
        }
        if lease.is_live() {
            state.expired = false;
            self.ends(key, now + lease.time_left);
        } else if granted || !state.expired {
            state.expired = true;
            return if granted { None } else { self.happened(key, Change::Expired, now) };
        }
        let is_news = granted && (!is_new || fresh.is_some_and(|fresh| lease.age.is_some_and(|age| age <= fresh)));
        if is_news { self.happened(key, Change::Granted, now) } else { None }
    }

    /// The keys whose leases have ended by what is known here: somebody looks whether they have.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Key> {
        let mut due = Vec::new();
        while let Some(key) = self.due.pop(now) {
            let Some(state) = self.keys.get_mut(&key) else { continue };
            state.due_at = None;
            match state.ends {
                Some(ends) if ends > now => self.due.no_later(&key, ends, &mut state.due_at),
                Some(_) if !state.over && !state.expired => due.push(key),
                _ => {}
            }
        }
        due
    }

    /// They could not be looked at.
    pub(crate) fn later(&mut self, key: &Key, at: Instant) {
        self.ends(key, at);
    }

    /// When the next lease ends, by what is known here.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    pub(crate) fn history(&self, key: &Key, now: Instant) -> Vec<Entry> {
        self.changes.history(key, now)
    }

    fn happened(&mut self, key: &Key, change: Change, at: Instant) -> Option<Noted> {
        let state = self.keys.get(key)?;
        let (id, term) = (state.id.clone(), state.term);
        self.changes.push(key, change, id.clone(), term, at);
        Some(Noted { key: key.clone(), change, id, term, at })
    }

    fn ends(&mut self, key: &Key, at: Instant) {
        let Some(state) = self.keys.get_mut(key) else { return };
        state.ends = Some(at);
        self.due.no_later(key, at, &mut state.due_at);
    }

    /// What is known of this key from now on. `None`: there is no room.
    fn state(&mut self, key: &Key) -> Option<&mut State> {
        if self.keys.len() >= self.most && !self.keys.contains_key(key) {
            let idle = self.idle.pop()?;
            if let Some(state) = self.keys.remove(&idle) {
                self.due.cancel(&idle, state.due_at);
            }
            self.changes.forget(&idle);
        }
        Some(self.keys.entry(key.clone()).or_default())
    }

    /// Whether it makes room from now on: after all that is done to it.
    fn settle(&mut self, key: &Key) {
        if let Some(state) = self.keys.get_mut(key) {
            let is_idle = state.is_idle();
            self.idle.set(key, is_idle, &mut state.idle);
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
