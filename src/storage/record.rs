//! The storage's half of the protocol, as pure functions over a record and the storage's clock.
//!
//! Memory, SQLite and the Durable Object run [`Record::judge`] as it is; SQL statements and scripts mirror it, and the
//! conformance suite (feature `conformance`) holds those to it. A storage applies it as one atomic step: it takes the lock
//! on the record (where reading the row is what locks it, it reads the row first), only then reads its clock, asks for
//! the verdict, and writes what that says, if anything.
//!
//! [`Record::judge`] has the table of its cases. [The rules](crate::guide::rules#clauses) say which promise rests on which clause of it, and
//! which clauses are there for something else: each was taken away from the model of it that is [proved](crate::guide::proved).

use core::time::Duration;

use super::list::Page;
use super::reply::{Acquired, Renewed, Reply};
use super::request::{Claim, Release, Renewal, Request, Revoke, Takeover};
use super::session::Session;
use crate::lease::Lease;
use crate::term::{Term, Version};
use crate::text::{Id, Value};

/// The storage's own row for a key.
///
/// ```
/// use core::time::Duration;
/// use lessor::storage::{Acquired, Claim, Record, Reply, Request, Session};
/// use lessor::{Id, Key, Term};
///
/// let claim = |id: &str, session| -> Result<Request, lessor::InvalidText> {
///     let (key, id, session) = (Key::new("k")?, Id::new(id)?, Session::from_bits(session));
///     Ok(Claim::new(key, id, session, Duration::from_secs(10)).into())
/// };
/// let now_ms = 1_000;
/// let granted = Record::judge(None, &claim("node-a", 1)?, now_ms, Term::FIRST);
/// let record = granted.write.unwrap();
/// assert_eq!((record.term, record.expires_ms), (Term::FIRST, 11_000));
///
/// // Another one, 2 s later: refused, and nothing is written.
/// let refused = Record::judge(Some(&record), &claim("node-b", 2)?, now_ms + 2_000, Term::FIRST);
/// let Reply::Acquired(Acquired::Refused { retry_after, .. }) = refused.reply else { unreachable!() };
/// assert_eq!(retry_after, Duration::from_secs(8));
/// assert_eq!(refused.write, None);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Who may renew and release. `None`: released. [`NOBODY`](Session::NOBODY): revoked, and granted to nobody before it has ended.
    pub session: Option<Session>,
    /// Who held the lease last; or for whom the key is reserved since its release.
    pub id: Id,
    /// The newest term: of the newest grant, or of a revoke after it.
    pub term: Term,
    /// Moves at every write.
    pub version: Version,
    /// What the last write gave, in ms. A lease never lasts longer, wherever the clock jumps.
    pub ttl_ms: u64,
    /// When the lease ends, in ms of the storage's clock; after a release, when its reservation does. Zero: it reserves nothing.
    pub expires_ms: u64,
    /// When the term was granted, in ms of the storage's clock. For people: nothing is decided by it.
    pub since_ms: u64,
    /// What the holder published.
    pub value: Option<Value>,
}

/// A reply, and the record to write before it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Verdict {
    /// What is answered.
    pub reply: Reply,
    /// What to write. `None`: nothing, the record is untouched.
    pub write: Option<Record>,
}

impl Verdict {
    fn new(reply: impl Into<Reply>, write: Option<Record>) -> Self {
        Self { reply: reply.into(), write }
    }
}

impl From<Acquired> for Reply {
    fn from(acquired: Acquired) -> Self {
        Self::Acquired(acquired)
    }
}

impl From<Renewed> for Reply {
    fn from(renewed: Renewed) -> Self {
        Self::Renewed(renewed)
    }
}

impl Record {
    /// Judges a request to one key: the storage's half of the protocol, whole.
    ///
    /// The first row that fits:
    ///
    /// | case of an acquire | answer | record after |
    /// |---|---|---|
    /// | no record | granted, term `max(after + 1, seed)` | created, version 1 |
    /// | live, mine, `after < term` | granted the same term: an earlier try was applied and its reply was lost | extended |
    /// | live, mine, otherwise | granted a new term: that reign is over, this one begins | extended, new term |
    /// | live, another's, ahead of the clock, `takeover` is this version, and the claim is not outdated (`after < term`) | granted a new term: see below | the claim's |
    /// | live, another's | refused, `retry_after` the time left | untouched: no write, no lock |
    /// | not live, `after < term` | refused, `retry_after` 0: something happened since the candidate looked | untouched |
    /// | released, reserved for another id: `now < expires <= now + ttl` | refused, `retry_after` the time left of that | untouched |
    /// | released | granted a new term, whatever `takeover` says | the claim's |
    /// | expired, mine | granted a new term | the claim's |
    /// | expired, another's | what `takeover` says: granted a new term, or refused with `retry_after` its ttl | the claim's if granted |
    ///
    /// | other operations | when | answer | record after |
    /// |---|---|---|---|
    /// | renew | live, session and term match | extended | extended, never shortened; the renewal's id and value |
    /// | | anything else, its own expired lease included | lost | untouched |
    /// | release | the session matches, live or not | released | no session; if it names a successor, reserved: its id, ttl and expires are those of the reservation, else expires is 0 |
    /// | | anything else | released: there is nothing to do | untouched |
    /// | revoke | of another term than it names; no record; no session | revoked: nothing | untouched |
    /// | | nobody's, not `now`: it was revoked before | revoked: nothing | untouched |
    /// | | not `now` | revoked: the lease as it was | nobody's session, a term of its own: nobody can renew it, and it ends when it would have ended |
    /// | | `now` | revoked: the lease as it was | no session, a term of its own, expires is 0 |
    /// | get | always | the lease | untouched |
    ///
    /// After a step back of the storage's clock a lease seems to end later than its ttl from now. It never shows more
    /// than its ttl, and a renewal brings it back to the clock. A leader that is gone does not renew: its lease, seen to
    /// be ahead of the clock, is granted to a claim that has seen its version unchanged for a whole ttl and margin on its
    /// own clock ([`Takeover::Unchanged`]). No write is needed for that, and a clock that steps back and forth shortens
    /// nothing.
    ///
    /// A reservation needs no column of its own: no session, and an end that is ahead. It, too, lasts no longer than its
    /// ttl: one that ends later than that from now is from before a step back of the clock, and binds nobody. What reserves nothing
    /// ends at 0 and not at the time of the release, which a step back would put ahead.
    ///
    /// A new term is `max(term + 1, after + 1, seed)`. With `after` beyond the record's term the storage has lost writes
    /// that the candidate saw: the grant then goes past what was seen, so that terms still only grow.
    ///
    /// What rests on it: **one leader** (P1) on that a live lease is granted to no other, that each write moves the version, that a
    /// renewal compares session and term and a release the session, and that a revoke lets the lease end; **one owner a term** (P2) on
    /// that each new grant, each claim on an own lease that is known, and each revoke moves the term, and that a release keeps it. The rest
    /// serves other rules: [clause by clause](crate::guide::rules#clauses).
    ///
    /// `current` is the record of the request's key. `now_ms` is the storage's clock. `seed` is the least a new term may
    /// be: [`Term::FIRST`] where the storage keeps what it acknowledged, its clock in milliseconds where it may lose
    /// data.
    ///
    /// A [list](Request::List) is about no single record: here it gets an empty page, and storages answer it with
    /// [`List::page`](super::List::page) or a query of their own.
    pub fn judge(current: Option<&Self>, request: &Request, now_ms: u64, seed: Term) -> Verdict {
        match request {
            Request::Acquire(claim) => Self::acquire(current, claim, now_ms, seed),
            Request::Renew(renewal) => Self::renew(current, renewal, now_ms),
            Request::Release(release) => Verdict::new(Reply::Released, Self::release(current, release, now_ms)),
            Request::Get(_) => Verdict::new(Reply::Got(current.map(|record| record.lease(now_ms))), None),
            Request::Revoke(revoke) => Self::revoke(current, revoke, now_ms),
            Request::List(_) => Verdict::new(Reply::Listed(Page::default()), None),
        }
    }

    /// A record as a storage kept it, from the fields that decide about its lease. `since_ms` is 0 and there is no value: set them.
    #[must_use]
    pub const fn restore(
        session: Option<Session>,
        id: Id,
        term: Term,
        version: Version,
        ttl_ms: u64,
        expires_ms: u64,
    ) -> Self {
        Self { session, id, term, version, ttl_ms, expires_ms, since_ms: 0, value: None }
    }

    fn acquire(current: Option<&Self>, claim: &Claim, now_ms: u64, seed: Term) -> Verdict {
        let Some(record) = current else { return Self::create(claim, now_ms, seed) };
        let live = record.is_live(now_ms);
        let mine = record.session == Some(claim.session);
        // Its own reply was lost, or others have led meanwhile. No term at all is less than any.
        let outdated = claim.after < Some(record.term);
        if live && mine {
            let term = if outdated { Some(record.term) } else { record.next_term(claim, seed) };
            return record.grant(claim, term, now_ms);
        }
        let unchanged = claim.takeover == Takeover::Unchanged(record.version);
        // Live only because the clock has stepped back: from here on as if it had expired.
        let stuck = unchanged && !outdated && record.is_ahead_of_the_clock(now_ms);
        if live && !stuck {
            return record.refuse(now_ms, record.left(now_ms));
        }
        if outdated {
            return record.refuse(now_ms, 0);
        }
        if record.session.is_none() && record.id != claim.id {
            let reserved_ms = record.reserved_ms(now_ms);
            if reserved_ms > 0 {
                return record.refuse(now_ms, reserved_ms);
            }
        }
        let free = match claim.takeover {
            _ if record.session.is_none() || mine => true,
            Takeover::Expired => true,
            Takeover::Unchanged(_) => unchanged,
            Takeover::ReleasedOnly => false,
        };
        if free {
            record.grant(claim, record.next_term(claim, seed), now_ms)
        } else {
            record.refuse(now_ms, record.ttl_ms)
        }
    }

    /// Acts only on the session and term of a live lease, and never revives an expired one.
    fn renew(current: Option<&Self>, renewal: &Renewal, now_ms: u64) -> Verdict {
        let own = |record: &&Self| record.session == Some(renewal.session) && record.term == renewal.term;
        let Some(record) = current.filter(own).filter(|record| record.is_live(now_ms)) else {
            return Verdict::new(Renewed::lost(current.map(|record| record.lease(now_ms))), None);
        };
        let extended = record.extended(renewal.session, renewal.ttl, &renewal.id, renewal.value.as_ref(), now_ms);
        Verdict::new(Renewed::extended(extended.version), Some(extended))
    }

    /// Gives up what the session holds, live or not. The record stays, so that its term does.
    fn release(current: Option<&Self>, release: &Release, now_ms: u64) -> Option<Self> {
        let record = current.filter(|record| record.session == Some(release.session))?;
        let freed = record.freed();
        Some(match &release.successor {
            None => freed,
            Some(successor) => {
                let ttl_ms = whole_ms(successor.within);
                let expires_ms = now_ms.saturating_add(ttl_ms);
                Self { id: successor.id.clone(), ttl_ms, expires_ms, ..freed }
            }
        })
    }

    /// Nobody's, and reserved for nobody.
    fn freed(&self) -> Self {
        Self { session: None, version: self.version.next(), expires_ms: 0, ..self.clone() }
    }

    /// Takes the lease from its holder, in a term of its own, so that what the holder still writes can be refused from now on.
    fn revoke(current: Option<&Self>, revoke: &Revoke, now_ms: u64) -> Verdict {
        let meant = |record: &&Self| record.session.is_some() && revoke.term.is_none_or(|term| term == record.term);
        let ends = |record: &&Self| revoke.now || record.session != Some(Session::NOBODY);
        let Some(record) = current.filter(meant).filter(ends) else {
            return Verdict::new(Reply::Revoked(None), None);
        };
        // While its holder may still believe in it, nobody else is to. By this clock it may be over; whoever has the take-over guard
        // set judges that for itself.
        let taken = if revoke.now {
            record.freed()
        } else {
            Self { session: Some(Session::NOBODY), version: record.version.next(), ..record.clone() }
        };
        // After the last term nothing is granted any more anyhow.
        let term = record.term.next().unwrap_or(record.term);
        let revoked = Self { term, since_ms: now_ms, ..taken };
        Verdict::new(Reply::Revoked(Some(record.lease(now_ms))), Some(revoked))
    }

    /// What others may see of the record.
    #[must_use]
    pub fn lease(&self, now_ms: u64) -> Lease {
        let held = self.session.is_some_and(|session| session != Session::NOBODY);
        let bound_ms = if self.session.is_some() { self.left(now_ms) } else { self.reserved_ms(now_ms) };
        Lease {
            id: held.then(|| self.id.clone()),
            time_left: Duration::from_millis(bound_ms),
            age: held.then(|| Duration::from_millis(now_ms.saturating_sub(self.since_ms))),
            value: self.value.clone(),
            ..Lease::new(self.term, self.version, Duration::from_millis(self.ttl_ms))
        }
    }

    /// Whether followers are to be woken when this record was written over `before`: the lease went to another session
    /// or to nobody, or a new term began.
    #[must_use]
    pub fn wakes_followers(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| (self.term, self.session) != (before.term, before.session))
    }

    fn is_live(&self, now_ms: u64) -> bool {
        self.session.is_some() && self.left(now_ms) > 0
    }

    /// After a step back of the clock a lease still lasts no longer than its ttl.
    fn left(&self, now_ms: u64) -> u64 {
        self.expires_ms.saturating_sub(now_ms).min(self.ttl_ms)
    }

    /// For how long a released key is reserved.
    fn reserved_ms(&self, now_ms: u64) -> u64 {
        if self.is_ahead_of_the_clock(now_ms) { 0 } else { self.expires_ms.saturating_sub(now_ms) }
    }

    /// Whether the clock has stepped back since the last write: else no lease ends later than its ttl from now.
    const fn is_ahead_of_the_clock(&self, now_ms: u64) -> bool {
        self.expires_ms.saturating_sub(now_ms) > self.ttl_ms
    }

    fn create(claim: &Claim, now_ms: u64, seed: Term) -> Verdict {
        let Some(term) = term_after(claim.after, seed) else {
            return Verdict::new(Acquired::refused(None, claim.ttl), None);
        };
        let ttl_ms = whole_ms(claim.ttl);
        let record = Self {
            session: Some(claim.session),
            id: claim.id.clone(),
            term,
            version: Version::FIRST,
            ttl_ms,
            expires_ms: now_ms.saturating_add(ttl_ms),
            since_ms: now_ms,
            value: claim.value.clone(),
        };
        Verdict::new(Acquired::granted(term, record.version), Some(record))
    }

    fn next_term(&self, claim: &Claim, seed: Term) -> Option<Term> {
        term_after(claim.after.max(Some(self.term)), seed)
    }

    /// Grants this term. `None`: the terms have run out, and nothing is granted any more.
    fn grant(&self, claim: &Claim, term: Option<Term>, now_ms: u64) -> Verdict {
        let Some(term) = term else { return self.refuse(now_ms, self.ttl_ms) };
        let since_ms = if term == self.term { self.since_ms } else { now_ms };
        let extended = self.extended(claim.session, claim.ttl, &claim.id, claim.value.as_ref(), now_ms);
        let record = Self { session: Some(claim.session), term, since_ms, ..extended };
        Verdict::new(Acquired::granted(term, record.version), Some(record))
    }

    /// The record for at least `ttl` from now: a late or repeated request never shortens a lease of its own.
    fn extended(&self, session: Session, ttl: Duration, id: &Id, value: Option<&Value>, now_ms: u64) -> Self {
        let kept = if self.session == Some(session) { self.left(now_ms) } else { 0 };
        let ttl_ms = whole_ms(ttl).max(kept);
        Self {
            session: self.session,
            id: id.clone(),
            term: self.term,
            version: self.version.next(),
            ttl_ms,
            expires_ms: now_ms.saturating_add(ttl_ms),
            since_ms: self.since_ms,
            value: value.cloned(),
        }
    }

    fn refuse(&self, now_ms: u64, retry_after_ms: u64) -> Verdict {
        Verdict::new(Acquired::refused(Some(self.lease(now_ms)), Duration::from_millis(retry_after_ms)), None)
    }
}

fn term_after(term: Option<Term>, seed: Term) -> Option<Term> {
    match term {
        Some(term) => Some(term.next()?.max(seed)),
        None => Some(seed),
    }
}

/// Rounded up: a lease in the storage is never shorter than its holder thinks.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    let whole = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // Not of nanoseconds: to divide 128 bits takes a kilobyte where programs are small.
    let begun = !duration.subsec_nanos().is_multiple_of(1_000_000);
    whole.saturating_add(u64::from(begun))
}
