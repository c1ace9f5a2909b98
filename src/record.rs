//! The storage's half of the protocol, as pure functions over a record and the storage's clock.
//!
//! Memory, SQLite and the Durable Object run these functions as they are; SQL statements and scripts mirror them, and
//! the conformance suite (feature `conformance`) holds those to them. A storage applies each as one atomic step: it reads the
//! record and its clock (after any wait for a lock), calls the function and writes what that says, if anything.
//!
//! [`Record::acquire`] has the table of its cases.

use core::time::Duration;

use crate::lease::{Holder, Key, Lease, Session, Term, Value, Version};

/// What a candidate asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The election.
    pub key: Key,
    /// Who asks, for others to see.
    pub holder: Holder,
    /// Who asks, as proof.
    pub session: Session,
    /// For how long. A storage counts in whole milliseconds, rounded up.
    pub ttl: Duration,
    /// What to publish with the lease.
    pub value: Option<Value>,
    /// The newest term of this key that the candidate knows of. `None`: it has not seen one.
    ///
    /// It marks what the claim was based on: a claim that lingered in the network while others led is refused.
    pub after: Option<Term>,
    /// Whether an expired lease of another may be taken over.
    pub takeover: Takeover,
}

/// When an expired lease of another may be taken over. A released one always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// As soon as the storage's clock says that it expired.
    Expired,
    /// If it expired and its version is still this one: the candidate saw it unchanged for its ttl and margin on its
    /// own clock. Also if the storage's clock has stepped back and cannot tell when it expires.
    Unchanged(Version),
    /// Not yet.
    ReleasedOnly,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// The key is the claimant's for its ttl from when this was applied.
    Granted {
        /// The term of the reign.
        term: Term,
        /// The record's version.
        version: Version,
    },
    /// It is not.
    Held {
        /// Who holds it; `None` if the storage cannot say.
        lease: Option<Lease>,
        /// After how long a claim may succeed. Zero: look at the lease and ask again.
        retry_after: Duration,
    },
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Renewed {
    /// The lease lasts for its ttl from when this was applied.
    Extended {
        /// The record's version.
        version: Version,
    },
    /// The lease is not this session's and term's any more, or has expired: the reign is over.
    Lost(Option<Lease>),
}

/// The storage's own row for a key.
///
/// ```
/// use core::time::Duration;
/// use lessor::{Acquired, Claim, Holder, Key, Record, Session, Takeover, Term};
///
/// let claim = |id: &str, session| -> Result<Claim, lessor::InvalidText> {
///     let (key, holder, session) = (Key::new("k")?, Holder::new(id)?, Session::from_bits(session));
///     let (ttl, takeover) = (Duration::from_secs(10), Takeover::Expired);
///     Ok(Claim { key, holder, session, ttl, value: None, after: None, takeover })
/// };
/// let now_ms = 1_000;
/// let granted = Record::acquire(None, &claim("node-a", 1)?, now_ms, Term::FIRST);
/// let record = granted.write.unwrap();
/// assert_eq!((record.term, record.expires_ms), (Term::FIRST, 11_000));
///
/// // Another one, 2 s later: refused, and nothing is written.
/// let refused = Record::acquire(Some(&record), &claim("node-b", 2)?, now_ms + 2_000, Term::FIRST);
/// assert!(matches!(refused.answer, Acquired::Held { retry_after, .. } if retry_after == Duration::from_secs(8)));
/// assert_eq!(refused.write, None);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who may renew and release. `None`: released.
    pub session: Option<Session>,
    /// Who was granted the term.
    pub holder: Holder,
    /// The newest term granted.
    pub term: Term,
    /// Moves at every write.
    pub version: Version,
    /// What the last write gave, in ms. A lease never lasts longer, wherever the clock jumps.
    pub ttl_ms: u64,
    /// When the lease ends, in ms of the storage's clock.
    pub expires_ms: u64,
    /// What the holder published.
    pub value: Option<Value>,
}

/// An answer, and the record to write before it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict<A> {
    /// What the candidate is told.
    pub answer: A,
    /// What to write. `None`: nothing, the record is untouched.
    pub write: Option<Record>,
}

impl Record {
    /// Judges a claim.
    ///
    /// | case of `acquire` | answer | record after |
    /// |---|---|---|
    /// | no record | granted, term `max(after + 1, seed)` | created, version 1 |
    /// | live, mine, `after < term` | granted the same term: an earlier try was applied and its reply was lost | extended |
    /// | live, mine, otherwise | granted a new term: that reign is over, this one begins | extended, new term |
    /// | live, another's | held (but see below) | untouched: no write, no lock |
    /// | not live, `after < term` | held, ask again at once: something happened since the candidate looked | untouched |
    /// | released | granted a new term, whatever `takeover` says | the claim's |
    /// | expired, mine | granted a new term | the claim's |
    /// | expired, another's | what `takeover` says | the claim's if granted |
    ///
    /// After a step back of the storage's clock a lease seems to end later than its ttl from now. It never shows more
    /// than its ttl, and a renewal brings it back to the clock. A leader that is gone does not renew: its lease, seen to
    /// be ahead of the clock, is granted to a claim that has seen its version unchanged for a whole ttl and margin on its
    /// own clock ([`Takeover::Unchanged`]). No write is needed for that, and a clock that steps back and forth shortens
    /// nothing.
    ///
    /// A new term is `max(term + 1, after + 1, seed)`. With `after` beyond the record's term the storage has lost writes
    /// that the candidate saw: the grant then goes past what was seen, so that terms still only grow.
    ///
    /// `now_ms` is the storage's clock. `seed` is the least a new term may be: [`Term::FIRST`] where the storage keeps what it
    /// acknowledged, its clock in milliseconds where it may lose data.
    pub fn acquire(current: Option<&Self>, claim: &Claim, now_ms: u64, seed: Term) -> Verdict<Acquired> {
        let Some(record) = current else { return Self::create(claim, now_ms, seed) };
        let live = record.is_live(now_ms);
        let mine = record.session == Some(claim.session);
        let outdated = claim.after < Some(record.term);
        if live && mine {
            let term = if outdated { Some(record.term) } else { record.next_term(claim, seed) };
            return record.grant(claim, term, now_ms);
        }
        let unchanged = claim.takeover == Takeover::Unchanged(record.version);
        if live && !(unchanged && !outdated && record.is_ahead_of_the_clock(now_ms)) {
            return record.held(now_ms, record.left(now_ms));
        }
        if outdated {
            return record.held(now_ms, 0);
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
            record.held(now_ms, record.ttl_ms)
        }
    }

    /// Judges a renewal: it acts only on the session and term of a live lease, and never revives an expired one.
    pub fn renew(current: Option<&Self>, claim: &Claim, term: Term, now_ms: u64) -> Verdict<Renewed> {
        match current {
            Some(record) if record.is_live(now_ms) && record.session == Some(claim.session) && record.term == term => {
                let extended = record.extended(claim, now_ms);
                Verdict { answer: Renewed::Extended { version: extended.version }, write: Some(extended) }
            }
            other => Verdict { answer: Renewed::Lost(other.map(|record| record.lease(now_ms))), write: None },
        }
    }

    /// Gives up what the session holds, live or not. The record stays, so that its term does.
    #[must_use]
    pub fn release(current: Option<&Self>, session: Session) -> Option<Self> {
        let record = current.filter(|record| record.session == Some(session))?;
        Some(Self { session: None, version: record.version.next(), ..record.clone() })
    }

    /// Takes the lease from its holder, by authority: the record is released, in a term of its own, so that what the
    /// holder still writes can be refused from now on. `None`: nobody holds it.
    #[must_use]
    pub fn revoke(current: Option<&Self>) -> Option<Self> {
        let record = current.filter(|record| record.session.is_some())?;
        // After the last term nothing is granted any more anyhow.
        let term = record.term.next().unwrap_or(record.term);
        Some(Self { session: None, term, version: record.version.next(), ..record.clone() })
    }

    /// What others may see of the record.
    #[must_use]
    pub fn lease(&self, now_ms: u64) -> Lease {
        Lease {
            holder: self.session.is_some().then(|| self.holder.clone()),
            term: self.term,
            version: self.version,
            ttl: Duration::from_millis(self.ttl_ms),
            time_left: Duration::from_millis(if self.session.is_some() { self.left(now_ms) } else { 0 }),
            value: self.value.clone(),
        }
    }

    fn is_live(&self, now_ms: u64) -> bool {
        self.session.is_some() && self.left(now_ms) > 0
    }

    /// After a step back of the clock a lease still lasts no longer than its ttl.
    fn left(&self, now_ms: u64) -> u64 {
        self.expires_ms.saturating_sub(now_ms).min(self.ttl_ms)
    }

    /// Whether the clock has stepped back since the last write: else no lease ends later than its ttl from now.
    const fn is_ahead_of_the_clock(&self, now_ms: u64) -> bool {
        self.expires_ms.saturating_sub(now_ms) > self.ttl_ms
    }

    fn create(claim: &Claim, now_ms: u64, seed: Term) -> Verdict<Acquired> {
        let Some(term) = following(claim.after, seed) else {
            return Verdict { answer: Acquired::Held { lease: None, retry_after: claim.ttl }, write: None };
        };
        let ttl_ms = whole_ms(claim.ttl);
        let record = Self {
            session: Some(claim.session),
            holder: claim.holder.clone(),
            term,
            version: Version::FIRST,
            ttl_ms,
            expires_ms: now_ms.saturating_add(ttl_ms),
            value: claim.value.clone(),
        };
        Verdict { answer: Acquired::Granted { term, version: record.version }, write: Some(record) }
    }

    fn next_term(&self, claim: &Claim, seed: Term) -> Option<Term> {
        following(claim.after.max(Some(self.term)), seed)
    }

    /// No term: they have run out, and nothing is granted any more.
    fn grant(&self, claim: &Claim, term: Option<Term>, now_ms: u64) -> Verdict<Acquired> {
        let Some(term) = term else { return self.held(now_ms, self.ttl_ms) };
        let record = Self { session: Some(claim.session), term, ..self.extended(claim, now_ms) };
        Verdict { answer: Acquired::Granted { term, version: record.version }, write: Some(record) }
    }

    /// The record for at least the claim's ttl from now: a late or repeated request never shortens a lease.
    fn extended(&self, claim: &Claim, now_ms: u64) -> Self {
        let kept = if self.session == Some(claim.session) { self.left(now_ms) } else { 0 };
        let ttl_ms = whole_ms(claim.ttl).max(kept);
        Self {
            session: self.session,
            holder: claim.holder.clone(),
            term: self.term,
            version: self.version.next(),
            ttl_ms,
            expires_ms: now_ms.saturating_add(ttl_ms),
            value: claim.value.clone(),
        }
    }

    fn held(&self, now_ms: u64, retry_after_ms: u64) -> Verdict<Acquired> {
        let retry_after = Duration::from_millis(retry_after_ms);
        Verdict { answer: Acquired::Held { lease: Some(self.lease(now_ms)), retry_after }, write: None }
    }
}

fn following(term: Option<Term>, seed: Term) -> Option<Term> {
    match term {
        Some(term) => Some(term.next()?.max(seed)),
        None => Some(seed),
    }
}

/// Rounded up: a lease in the storage is never shorter than its holder thinks.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
