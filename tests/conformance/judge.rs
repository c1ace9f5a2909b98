//! The record's functions, bent by one fault.

use core::time::Duration;

use lessor::{Acquired, Claim, Holder, Key, Lease, Record, Renewed, Session, Takeover, Term, Value, Verdict, Version};

use crate::fault::Fault;

/// What to do with the record.
#[derive(Debug)]
pub(crate) enum Write {
    Keep,
    Put(Record),
    Delete,
}

fn live(record: &Record, now_ms: u64) -> bool {
    record.session.is_some() && record.expires_ms > now_ms
}

fn left(record: &Record, now_ms: u64) -> Duration {
    Duration::from_millis(record.expires_ms.saturating_sub(now_ms))
}

fn moved(record: &Record) -> Write {
    Write::Put(Record { version: record.version.next(), ..record.clone() })
}

/// A key as the storage takes it.
pub(crate) fn key(fault: Option<Fault>, key: &Key) -> Key {
    let text = key.as_str();
    let bent = match fault {
        Some(Fault::KeyIsFolded) => text.to_lowercase(),
        Some(Fault::KeyIsCut) => text.chars().take(250).collect(),
        Some(Fault::KeyIsTrimmed) => text.trim().to_owned(),
        Some(Fault::KeyIsUnescaped) => text.replace("%20", " "),
        _ => return key.clone(),
    };
    Key::new(bent).unwrap_or_else(|_| key.clone())
}

/// A session as the storage takes it.
pub(crate) fn session(fault: Option<Fault>, session: Session) -> Session {
    let bits = session.to_bits();
    match fault {
        Some(Fault::SessionIsCut) => Session::from_bits(bits & u128::from(u64::MAX)),
        Some(Fault::SessionIsAFloat) => Session::from_bits(bits as f64 as u128),
        _ => session,
    }
}

/// A claim as the storage takes it.
pub(crate) fn claim(fault: Option<Fault>, claim: &Claim) -> Claim {
    let mut claim = Claim { key: key(fault, &claim.key), session: session(fault, claim.session), ..claim.clone() };
    let ms = claim.ttl.as_nanos().div_ceil(1_000_000) as u64;
    match fault {
        Some(Fault::TtlInSeconds) => claim.ttl = Duration::from_secs(ms.div_ceil(1000)),
        Some(Fault::TtlRoundedDown) => claim.ttl = Duration::from_millis(claim.ttl.as_millis() as u64),
        Some(Fault::TtlCapped) => claim.ttl = claim.ttl.min(Duration::from_secs(3600)),
        Some(Fault::ValueIsLost) => claim.value = None,
        Some(Fault::EmptyValueIsNone) => claim.value = claim.value.filter(|value| !value.as_str().is_empty()),
        Some(Fault::ValueIsCut) => {
            let cut = |value: Value| Value::new(value.as_str().chars().take(1000).collect::<String>()).unwrap();
            claim.value = claim.value.map(cut);
        }
        Some(Fault::IdIsTrimmed) => {
            claim.holder = Holder::new(claim.holder.as_str().trim()).unwrap_or(claim.holder);
        }
        Some(Fault::UnchangedIsRefused) if claim.takeover != Takeover::Expired => {
            claim.takeover = Takeover::ReleasedOnly;
        }
        Some(Fault::GuardIsIgnored) => claim.takeover = Takeover::Expired,
        Some(Fault::ReleasedOnlyTakesExpired) if claim.takeover == Takeover::ReleasedOnly => {
            claim.takeover = Takeover::Expired;
        }
        _ => {}
    }
    claim
}

/// A record as the storage reads it.
pub(crate) fn read(fault: Option<Fault>, record: Option<&Record>, now_ms: u64) -> Option<Record> {
    let mut record = record?.clone();
    if fault == Some(Fault::ClockBackMakesEternal) && record.session.is_some() {
        record.ttl_ms = record.ttl_ms.max(record.expires_ms.saturating_sub(now_ms));
    }
    Some(record)
}

pub(crate) fn acquire(
    fault: Option<Fault>,
    current: Option<&Record>,
    claim: &Claim,
    now_ms: u64,
    seed: Term,
) -> (Acquired, Write) {
    let (mut record, mut claim) = (current.cloned(), claim.clone());
    let mut refuse_after = None;
    match (&mut record, fault) {
        (None, Some(Fault::FirstClaimIgnoresAfter)) => claim.after = None,
        (Some(record), Some(fault)) => refuse_after = bend(fault, record, &mut claim, now_ms),
        _ => {}
    }
    if fault == Some(Fault::ClockBackIgnoresTheWatch) && record.as_ref().is_some_and(|record| live(record, now_ms)) {
        claim.takeover = Takeover::Expired;
    }
    let Verdict { mut answer, mut write } = Record::acquire(record.as_ref(), &claim, now_ms, seed);
    if let (Some(record), Some(retry_after)) = (&record, refuse_after) {
        (answer, write) = (Acquired::Held { lease: Some(record.lease(now_ms)), retry_after }, None);
    }
    let Some(fault) = fault else { return (answer, write.map_or(Write::Keep, Write::Put)) };
    match write {
        Some(mut written) => {
            bend_grant(fault, current, &claim, &mut written, now_ms);
            (Acquired::Granted { term: written.term, version: written.version }, Write::Put(written))
        }
        None => match current {
            Some(current) => bend_refusal(fault, current, &claim, answer, now_ms),
            None => (answer, Write::Keep),
        },
    }
}

/// Changes what is judged. An answer: refuses, and says when to ask again.
fn bend(fault: Fault, record: &mut Record, claim: &mut Claim, now_ms: u64) -> Option<Duration> {
    let mine = record.session == Some(claim.session);
    let (live, released) = (live(record, now_ms), record.session.is_none());
    let outdated = claim.after < Some(record.term);
    match fault {
        Fault::AfterBeyondIsIgnored => claim.after = claim.after.min(Some(record.term)),
        Fault::AfterBeyondIsRefused if claim.after > Some(record.term) => return Some(Duration::ZERO),
        Fault::LastTermIsGrantedAgain if claim.after == Some(Term::LAST) && !live => {
            let last_but_one = Term::new(Term::LAST.get() - 1);
            claim.after = last_but_one;
            record.term = last_but_one.unwrap_or(record.term);
        }
        Fault::LostReplyGetsNewTerm if live && mine && outdated => claim.after = Some(record.term),
        Fault::LostReplyIsRefused if live && mine && outdated => return Some(left(record, now_ms)),
        Fault::TermKeptOnOwnLive if live && mine => claim.after = None,
        Fault::IdIsProof if record.holder == claim.holder && !released => record.session = Some(claim.session),
        Fault::OutdatedIsGrantedAfterRelease if released && outdated => claim.after = Some(record.term),
        Fault::OutdatedIsGrantedAfterExpiry if !released && !live && outdated => claim.after = Some(record.term),
        Fault::ExpiresEarly if !mine => record.expires_ms = record.expires_ms.saturating_sub(record.ttl_ms / 5),
        Fault::NeverExpires if !mine && !released && !live => record.expires_ms = now_ms + 1,
        Fault::GuardBindsReleased if released && claim.takeover != Takeover::Expired => {
            return Some(Duration::from_millis(record.ttl_ms));
        }
        Fault::GuardBindsOwn if mine && !live && claim.takeover != Takeover::Expired => {
            return Some(Duration::from_millis(record.ttl_ms));
        }
        _ => {}
    }
    None
}

fn bend_grant(fault: Fault, current: Option<&Record>, claim: &Claim, written: &mut Record, now_ms: u64) {
    let mine = current.is_some_and(|current| current.session == Some(claim.session));
    let live = current.is_some_and(|current| live(current, now_ms));
    let released = current.is_some_and(|current| current.session.is_none());
    let term = current.map_or(written.term, |current| current.term);
    match fault {
        Fault::FirstVersionIsZero if current.is_none() => written.version = Version::new(0),
        Fault::TermsAreFloats => written.term = Term::new(written.term.get() as f32 as u64).unwrap_or(Term::LAST),
        Fault::TermsAre32Bits => written.term = Term::new(written.term.get() & 0xFFFF_FFFF).unwrap_or(Term::FIRST),
        Fault::AcquireShortens => {
            written.ttl_ms = claim.ttl.as_millis() as u64;
            written.expires_ms = now_ms + written.ttl_ms;
        }
        Fault::TermKeptOnRelease if released => written.term = term,
        Fault::TermKeptOnOwnExpired if mine && !live => written.term = term,
        Fault::TermKeptOnTakeover if !mine && !released => written.term = term,
        Fault::VersionRestartsAtGrant if written.term != term => written.version = Version::FIRST,
        _ => {}
    }
}

fn bend_refusal(fault: Fault, current: &Record, claim: &Claim, mut answer: Acquired, now_ms: u64) -> (Acquired, Write) {
    let Acquired::Held { lease, retry_after } = &mut answer else { return (answer, Write::Keep) };
    let live = live(current, now_ms);
    let outdated = claim.after < Some(current.term);
    let ttl = Duration::from_millis(current.ttl_ms);
    let mut write = Write::Keep;
    match fault {
        Fault::HeldSaysRetryAtOnce if live => *retry_after = Duration::ZERO,
        Fault::HeldSaysRetryTooLate if live => *retry_after = ttl * 2,
        Fault::HeldHidesTheLease => *lease = None,
        Fault::HeldShowsNoTimeLeft => *lease = lease.take().map(|lease| Lease { time_left: Duration::ZERO, ..lease }),
        Fault::RefusalWrites => write = moved(current),
        Fault::RefusalExtends => {
            let ttl_ms = claim.ttl.as_millis() as u64;
            write = Write::Put(Record { ttl_ms, expires_ms: now_ms + ttl_ms, ..current.clone() });
        }
        Fault::RefusalPublishes => write = Write::Put(Record { value: claim.value.clone(), ..current.clone() }),
        Fault::OutdatedHasToWait if !live && outdated => *retry_after = ttl,
        Fault::ReleasedOnlyAsksAtOnce if !live && !outdated => *retry_after = Duration::ZERO,
        _ => {}
    }
    (answer, write)
}

pub(crate) fn renew(
    fault: Option<Fault>,
    current: Option<&Record>,
    claim: &Claim,
    mut term: Term,
    now_ms: u64,
) -> (Renewed, Write) {
    let mut record = current.cloned();
    match (&mut record, fault) {
        (None, Some(Fault::RenewCreates)) => {
            let created = Record::acquire(None, claim, now_ms, term).write;
            return (Renewed::Extended { version: Version::FIRST }, created.map_or(Write::Keep, Write::Put));
        }
        (Some(record), Some(fault)) => {
            let (mine, fits) = (record.session == Some(claim.session), record.term == term);
            let live = live(record, now_ms);
            match fault {
                Fault::RenewIgnoresSession if live && fits => record.session = Some(claim.session),
                Fault::IdIsProof if live && fits && record.holder == claim.holder => {
                    record.session = Some(claim.session);
                }
                Fault::RenewIgnoresTerm if mine => term = record.term,
                Fault::RenewRevives if mine && fits && !live => record.expires_ms = now_ms + 1,
                Fault::RenewUndoesRelease if fits && record.session.is_none() => {
                    record.session = Some(claim.session);
                    record.expires_ms = now_ms + 1;
                }
                Fault::RenewTakesFromAnother if live && term < record.term => {
                    record.session = Some(claim.session);
                    record.term = term;
                }
                _ => {}
            }
        }
        _ => {}
    }
    let Verdict { answer, write } = Record::renew(record.as_ref(), claim, term, now_ms);
    let (Some(mut written), Some(current)) = (write, current) else { return (answer, Write::Keep) };
    match fault {
        Some(Fault::RenewKeepsVersion) => written.version = current.version,
        Some(Fault::RenewDoesNotExtend) => {
            (written.ttl_ms, written.expires_ms) = (current.ttl_ms, current.expires_ms);
        }
        Some(Fault::RenewShortens) => {
            written.ttl_ms = claim.ttl.as_millis() as u64;
            written.expires_ms = now_ms + written.ttl_ms;
        }
        Some(Fault::RenewalExpiresEarly) => written.expires_ms = now_ms + written.ttl_ms / 2,
        Some(Fault::ValueIsNotReplaced) => written.value = current.value.clone(),
        _ => {}
    }
    (Renewed::Extended { version: written.version }, Write::Put(written))
}

pub(crate) fn release(
    fault: Option<Fault>,
    current: Option<&Record>,
    key_holder: Option<&Holder>,
    mut session: Session,
    now_ms: u64,
) -> Write {
    let Some(record) = current else {
        if fault != Some(Fault::ReleaseCreates) {
            return Write::Keep;
        }
        return Write::Put(Record {
            session: None,
            holder: Holder::new("nobody").unwrap(),
            term: Term::FIRST,
            version: Version::FIRST,
            ttl_ms: 0,
            expires_ms: now_ms,
            value: None,
        });
    };
    match fault {
        Some(Fault::ReleaseDoesNothing) => return Write::Keep,
        Some(Fault::ReleaseWritesAgain) if record.session.is_none() => return moved(record),
        Some(Fault::ReleaseNeedsALiveLease) if !live(record, now_ms) => return Write::Keep,
        Some(Fault::ReleaseIgnoresSession) => session = record.session.unwrap_or(session),
        Some(Fault::ReleaseGoesById) if key_holder == Some(&record.holder) => {
            session = record.session.unwrap_or(session);
        }
        _ => {}
    }
    let Some(mut written) = Record::release(Some(record), session) else { return Write::Keep };
    match fault {
        Some(Fault::ReleaseDeletes) => return Write::Delete,
        Some(Fault::ReleaseForgetsTheValue) => written.value = None,
        Some(Fault::ReleaseKeepsTheVersion) => written.version = record.version,
        _ => {}
    }
    Write::Put(written)
}

pub(crate) fn get(fault: Option<Fault>, current: Option<&Record>, key: &Key, now_ms: u64) -> (Option<Lease>, Write) {
    let lease = current.map(|record| record.lease(now_ms));
    match (fault, lease) {
        (Some(Fault::GetShowsVersionBefore), Some(lease)) => {
            (Some(Lease { version: Version::new(lease.version.get().saturating_sub(1)), ..lease }), Write::Keep)
        }
        (Some(Fault::GetInventsALease), None) => {
            let (holder, ttl) = (Holder::new(&key.as_str()[..1]).ok(), Duration::ZERO);
            let nothing =
                Lease { holder, term: Term::FIRST, version: Version::FIRST, ttl, time_left: ttl, value: None };
            (Some(nothing), Write::Keep)
        }
        (Some(Fault::GetWrites), Some(lease)) => (Some(lease), current.map_or(Write::Keep, moved)),
        (_, lease) => (lease, Write::Keep),
    }
}
