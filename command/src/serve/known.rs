//! What this server knows of keys: who holds them, what happened to them, and who used them first.
//!
//! It is kept in memory, from what passes through this server and from what its watches see. No lease is judged by it: that is for the storage.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use lessor::storage::{Acquired, Renewed, Reply, Request, Session};
use lessor::{Key, Lease};
use lessor_service::{Change, Entry};
use tokio::time::Instant;

/// So many keys are known at most.
const MOST: usize = 100_000;

/// How many changes are kept of each key.
const KEPT: usize = 100;

/// A change of hands, for those who watch.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) key: Key,
    pub(crate) change: Change,
    pub(crate) id: String,
    pub(crate) term: u64,
    pub(crate) at: Instant,
}

#[derive(Debug)]
struct Past {
    change: Change,
    id: String,
    term: u64,
    at: Instant,
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
    /// Whether it is looked at then.
    is_due: bool,
    /// Nobody has used it since: it is not listed.
    forgotten: bool,
    /// Who used it for the first time.
    owner: Option<String>,
    past: VecDeque<Past>,
}

#[derive(Debug, Default)]
pub(crate) struct Known {
    keys: HashMap<Key, State>,
    /// How many keys each has used for the first time.
    owned: HashMap<String, u64>,
    due: BinaryHeap<Reverse<(Instant, Key)>>,
}

/// What is known of a key before it is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// It was used before; and its newest term, at least.
    Used(u64),
    /// Somebody has to look.
    Unknown,
    /// It was not, when somebody looked or forgot it; and its newest term.
    New(u64),
}

impl Known {
    /// Takes note of what a request came to.
    pub(crate) fn note(&mut self, request: &Request, reply: &Reply, now: Instant) -> Option<Noted> {
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
        while self.due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, key))) = self.due.pop() else { break };
            let Some(state) = self.keys.get_mut(&key) else { continue };
            match state.ends {
                Some(ends) if ends > now => self.due.push(Reverse((ends, key))),
                ends => {
                    state.is_due = false;
                    if ends.is_some() && !state.over && !state.expired {
                        due.push(key);
                    }
                }
            }
        }
        due
    }

    /// They could not be looked at.
    pub(crate) fn later(&mut self, key: &Key, at: Instant) {
        if self.keys.contains_key(key) {
            self.ends(key, at);
        }
    }

    /// When the next lease ends, by what is known here.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn history(&self, key: &Key, now: Instant) -> Vec<Entry> {
        let past = self.keys.get(key).into_iter().flat_map(|state| state.past.iter().rev());
        past.map(|Past { change, id, term, at }| Entry {
            change: change.word().to_owned(),
            id: id.clone(),
            term: *term,
            ago_ms: milliseconds(now.duration_since(*at)),
        })
        .collect()
    }

    /// Whether a key was used before.
    pub(crate) fn first(&self, key: &Key) -> First {
        match self.keys.get(key) {
            None => First::Unknown,
            Some(state) if state.forgotten => First::New(state.term),
            // Another server may have used it since somebody looked.
            Some(state) if state.term == 0 && state.owner.is_none() => First::Unknown,
            Some(state) => First::Used(state.term),
        }
    }

    /// Counts a key that is used for the first time. If there are as many already: how many.
    pub(crate) fn own(&mut self, key: &Key, owner: &str, most: u64) -> Result<(), u64> {
        let owned = self.owned.get(owner).copied().unwrap_or(0);
        if owned >= most {
            return Err(owned);
        }
        let Some(state) = self.state(key) else { return Ok(()) };
        state.forgotten = false;
        if state.owner.replace(owner.to_owned()).is_none() {
            *self.owned.entry(owner.to_owned()).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Forgets a key that nobody holds; its term is remembered.
    pub(crate) fn forget(&mut self, key: &Key) {
        let Some(state) = self.state(key) else { return };
        state.past.clear();
        (state.forgotten, state.ends) = (true, None);
        if let Some(owned) = state.owner.take().and_then(|owner| self.owned.get_mut(&owner)) {
            *owned = owned.saturating_sub(1);
        }
    }

    /// Whether a list leaves it out, which has it in this term.
    pub(crate) fn is_forgotten(&self, key: &Key, term: u64) -> bool {
        self.keys.get(key).is_some_and(|state| state.forgotten && state.term >= term)
    }

    fn happened(&mut self, key: &Key, change: Change, at: Instant) -> Option<Noted> {
        let state = self.keys.get_mut(key)?;
        let (id, term) = (state.id.clone(), state.term);
        if state.past.len() == KEPT {
            state.past.pop_front();
        }
        state.past.push_back(Past { change, id: id.clone(), term, at });
        Some(Noted { key: key.clone(), change, id, term, at })
    }

    fn ends(&mut self, key: &Key, at: Instant) {
        let Some(state) = self.keys.get_mut(key) else { return };
        let earlier = state.ends.is_some_and(|ends| at < ends);
        state.ends = Some(at);
        if !state.is_due || earlier {
            state.is_due = true;
            self.due.push(Reverse((at, key.clone())));
        }
    }

    /// What is known of this key from now on. `None`: there is no room.
    fn state(&mut self, key: &Key) -> Option<&mut State> {
        if self.keys.len() >= MOST && !self.keys.contains_key(key) {
            // Of those nothing is lost but their history.
            self.keys.retain(|_, state| {
                state.owner.is_some() || state.forgotten || (!state.over && !state.expired && state.term > 0)
            });
            if self.keys.len() >= MOST {
                return None;
            }
        }
        Some(self.keys.entry(key.clone()).or_default())
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
