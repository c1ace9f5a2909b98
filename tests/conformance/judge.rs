//! The storage's verdicts, bent by one fault.

use core::time::Duration;

use lessor::storage::{
    Acquired, Claim, Record, Release, Renewal, Renewed, Reply, Request, Revoke, Session, Takeover, Verdict, Version,
};
use lessor::{Id, Key, Lease, Term};

use crate::fault::Fault;

/// What to do with the record.
#[derive(Debug)]
pub(crate) enum Write {
    Keep,
    Put(Record),
    Delete,
}

impl From<Option<Record>> for Write {
    fn from(write: Option<Record>) -> Self {
        write.map_or(Self::Keep, Self::Put)
    }
}

pub(crate) fn live(record: &Record, now_ms: u64) -> bool {
    record.session.is_some() && record.expires_ms > now_ms
}

/// Whether it is a released key that is reserved for somebody, or was.
pub(crate) const fn reserves(record: &Record) -> bool {
    record.session.is_none() && record.expires_ms > 0
}

fn reserved(record: &Record, now_ms: u64) -> bool {
    reserves(record) && now_ms < record.expires_ms && record.expires_ms - now_ms <= record.ttl_ms
}

fn left(record: &Record, now_ms: u64) -> Duration {
    Duration::from_millis(record.expires_ms.saturating_sub(now_ms))
}

/// It was revoked, and has not ended yet, or was not granted since.
fn is_nobodys(record: &Record) -> bool {
    record.session == Some(Session::NOBODY)
}

/// The record after this change.
fn changed(record: &Record, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = record.clone();
    change(&mut record);
    record
}

fn moved(record: &Record) -> Write {
    Write::Put(changed(record, |record| record.version = record.version.next()))
}

/// The verdict that is right.
fn judge(current: Option<&Record>, request: impl Into<Request>, now_ms: u64, seed: Term) -> (Reply, Option<Record>) {
    let Verdict { reply, write, .. } = Record::judge(current, &request.into(), now_ms, seed);
    (reply, write)
}

/// A record as the storage reads it.
pub(crate) fn read(fault: Option<Fault>, record: Option<&Record>, now_ms: u64) -> Option<Record> {
    let mut record = record?.clone();
    let ahead_ms = record.expires_ms.saturating_sub(now_ms);
    match fault {
        Some(Fault::ClockBackMakesEternal) if record.session.is_some() => record.ttl_ms = record.ttl_ms.max(ahead_ms),
        Some(Fault::ClockBackMakesReservationsLong) if reserves(&record) => record.ttl_ms = record.ttl_ms.max(ahead_ms),
        _ => {}
    }
    Some(record)
}

/// A record's lease, wherever it is shown.
pub(crate) fn shown(fault: Option<Fault>, record: &Record, mut lease: Lease, now_ms: u64) -> Lease {
    let age = match fault {
        Some(Fault::AgeOutlivesTheRelease) => Some(now_ms.saturating_sub(record.since_ms)),
        Some(Fault::AgeStandsBetweenWrites) => {
            Some(record.expires_ms.saturating_sub(record.ttl_ms).saturating_sub(record.since_ms))
                .filter(|_| lease.id.is_some())
        }
        Some(Fault::ReservedShowsNoTimeLeft) if reserved(record, now_ms) => {
            lease.time_left = Duration::ZERO;
            return lease;
        }
        Some(Fault::ReservedShowsItsSuccessor) if reserved(record, now_ms) => {
            lease.id = Some(record.id.clone());
            return lease;
        }
        Some(Fault::RevokedShowsItsHolder) if is_nobodys(record) => {
            lease.id = Some(record.id.clone());
            return lease;
        }
        Some(Fault::RevokedShowsNoTimeLeft) if is_nobodys(record) => {
            lease.time_left = Duration::ZERO;
            return lease;
        }
        Some(Fault::AgeInSeconds) => lease.age.map(|age| age.as_secs() * 1000),
        Some(Fault::ClockBackMakesAgesHuge) => lease.age.map(|_| now_ms.wrapping_sub(record.since_ms)),
        _ => return lease,
    };
    lease.age = age.map(Duration::from_millis);
    lease
}

pub(crate) fn acquire(
    fault: Option<Fault>,
    current: Option<&Record>,
    revoked: bool,
    claim: &Claim,
    now_ms: u64,
    seed: Term,
) -> (Acquired, Write) {
    let (mut record, mut claim) = (current.cloned(), claim.clone());
    let mut refuse_after = None;
    match (&mut record, fault) {
        (None, Some(Fault::FirstClaimIgnoresAfter)) => claim.after = None,
        (Some(record), Some(fault)) => refuse_after = bend(fault, record, revoked, &mut claim, now_ms),
        _ => {}
    }
    if fault == Some(Fault::ClockBackIgnoresTheWatch) && record.as_ref().is_some_and(|record| live(record, now_ms)) {
        claim.takeover = Takeover::Expired;
    }
    let (Reply::Acquired(mut answer), mut write) = judge(record.as_ref(), claim.clone(), now_ms, seed) else {
        unreachable!("a claim is answered as one")
    };
    if let (Some(record), Some(retry_after)) = (&record, refuse_after) {
        (answer, write) = (Acquired::refused(Some(record.lease(now_ms)), retry_after), None);
    }
    let Some(fault) = fault else { return (answer, write.into()) };
    match write {
        Some(mut written) => {
            bend_grant(fault, current, &claim, &mut written, now_ms);
            (Acquired::granted(written.term, written.version), Write::Put(written))
        }
        None => match current {
            Some(current) => bend_refusal(fault, current, &claim, answer, now_ms),
            None => (answer, Write::Keep),
        },
    }
}

/// Changes what is judged. An answer: refuses, and says when to ask again.
fn bend(fault: Fault, record: &mut Record, revoked: bool, claim: &mut Claim, now_ms: u64) -> Option<Duration> {
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
        Fault::IdIsProof if record.id == claim.id && !released => record.session = Some(claim.session),
        Fault::OutdatedIsGrantedAfterRelease if released && outdated => claim.after = Some(record.term),
        Fault::OutdatedIsGrantedAfterExpiry if !released && !live && outdated => claim.after = Some(record.term),
        Fault::RevokedIsGrantedToTheOutdated if revoked && outdated => claim.after = Some(record.term),
        Fault::ExpiresEarly if !mine => record.expires_ms = record.expires_ms.saturating_sub(record.ttl_ms / 5),
        Fault::RevokedIsTakenBackByItsHolder if is_nobodys(record) && record.id == claim.id => {
            record.session = Some(claim.session);
        }
        Fault::RevokedNeverEnds if is_nobodys(record) && !live => record.expires_ms = now_ms + 1,
        Fault::NeverExpires if !mine && !released && !live => record.expires_ms = now_ms + 1,
        Fault::GuardBindsReleased if released && claim.takeover != Takeover::Expired => {
            return Some(Duration::from_millis(record.ttl_ms));
        }
        Fault::RevokedBindsTheGuard if revoked && claim.takeover != Takeover::Expired => {
            return Some(Duration::from_millis(record.ttl_ms));
        }
        Fault::ReservedWaitsForTheWatch
            if reserved(record, now_ms) && !outdated && claim.takeover != Takeover::Expired =>
        {
            return Some(left(record, now_ms));
        }
        Fault::ReservedForNobody if reserved(record, now_ms) && !outdated => return Some(left(record, now_ms)),
        Fault::ReservedIsGrantedToTheOutdated if reserved(record, now_ms) && record.id == claim.id && outdated => {
            claim.after = Some(record.term);
        }
        Fault::ReservedIsJudgedBeforeOutdated if reserved(record, now_ms) && record.id != claim.id && outdated => {
            return Some(left(record, now_ms));
        }
        Fault::ReservationNeverEnds if reserves(record) && claim.id != record.id && !outdated => {
            return Some(Duration::from_millis(record.ttl_ms));
        }
        Fault::SuccessorIsFolded
            if reserved(record, now_ms) && claim.id.as_str().eq_ignore_ascii_case(record.id.as_str()) =>
        {
            claim.id = record.id.clone();
        }
        Fault::SuccessorIsTrimmed
            if reserved(record, now_ms) && claim.id.as_str().trim() == record.id.as_str().trim() =>
        {
            claim.id = record.id.clone();
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
        Fault::ReservedKeepsTheTerm if current.is_some_and(reserves) => written.term = term,
        Fault::TermKeptOnOwnExpired if mine && !live => written.term = term,
        Fault::TermKeptOnTakeover if !mine && !released => written.term = term,
        Fault::VersionRestartsAtGrant if written.term != term => written.version = Version::FIRST,
        Fault::AgeCountsFromTheRepeat => written.since_ms = now_ms,
        Fault::AgeIsKeptOverTerms => written.since_ms = current.map_or(now_ms, |current| current.since_ms),
        _ => {}
    }
}

fn bend_refusal(fault: Fault, current: &Record, claim: &Claim, answer: Acquired, now_ms: u64) -> (Acquired, Write) {
    let Acquired::Refused { lease, retry_after, .. } = answer else { return (answer, Write::Keep) };
    let (mut lease, mut retry_after) = (lease, retry_after);
    let live = live(current, now_ms);
    let outdated = claim.after < Some(current.term);
    let ttl = Duration::from_millis(current.ttl_ms);
    let mut write = Write::Keep;
    match fault {
        Fault::HeldSaysRetryAtOnce if live => retry_after = Duration::ZERO,
        Fault::HeldSaysRetryTooLate if live => retry_after = ttl * 2,
        Fault::HeldHidesTheLease => lease = None,
        Fault::HeldShowsNoTimeLeft => lease.iter_mut().for_each(|lease| lease.time_left = Duration::ZERO),
        Fault::AgeIsHiddenInRefusals => lease.iter_mut().for_each(|lease| lease.age = None),
        Fault::RefusalWrites => write = moved(current),
        Fault::RefusalExtends => {
            let ttl_ms = claim.ttl.as_millis() as u64;
            let extend = |record: &mut Record| (record.ttl_ms, record.expires_ms) = (ttl_ms, now_ms + ttl_ms);
            write = Write::Put(changed(current, extend));
        }
        Fault::RefusalPublishes => {
            write = Write::Put(changed(current, |record| record.value = claim.value.clone()));
        }
        Fault::ReservedRefusalWrites if reserved(current, now_ms) && !outdated => write = moved(current),
        Fault::ReservedSaysRetryAtOnce if reserved(current, now_ms) => retry_after = Duration::ZERO,
        Fault::ReservedSaysItsWholeTime if reserved(current, now_ms) && !outdated => retry_after = ttl,
        Fault::OutdatedHasToWait if !live && outdated => retry_after = ttl,
        Fault::ReleasedOnlyAsksAtOnce if !live && !outdated => retry_after = Duration::ZERO,
        _ => {}
    }
    (Acquired::refused(lease, retry_after), write)
}

pub(crate) fn renew(
    fault: Option<Fault>,
    current: Option<&Record>,
    revoked: Option<Session>,
    renewal: &Renewal,
    now_ms: u64,
) -> (Renewed, Write) {
    let (mut record, mut renewal) = (current.cloned(), renewal.clone());
    match (&mut record, fault) {
        (None, Some(Fault::RenewCreates)) => {
            let claim = Claim::new(renewal.key, renewal.id, renewal.session, renewal.ttl);
            return (Renewed::extended(Version::FIRST), judge(None, claim, now_ms, renewal.term).1.into());
        }
        (Some(record), Some(fault)) => {
            let (mine, fits) = (record.session == Some(renewal.session), record.term == renewal.term);
            let live = live(record, now_ms);
            match fault {
                Fault::RenewIgnoresSession if live && fits => record.session = Some(renewal.session),
                Fault::IdIsProof if live && fits && record.id == renewal.id => {
                    record.session = Some(renewal.session);
                }
                Fault::RenewIgnoresTerm if mine => renewal.term = record.term,
                Fault::RenewRevives if mine && fits && !live => record.expires_ms = now_ms + 1,
                Fault::RenewUndoesRelease if fits && record.session.is_none() => {
                    record.session = Some(renewal.session);
                    record.expires_ms = now_ms + 1;
                }
                Fault::RevokedHolderRenews if fits && revoked == Some(renewal.session) && record.term < Term::LAST => {
                    record.session = revoked;
                }
                Fault::RenewTakesFromAnother if live && renewal.term < record.term => {
                    record.session = Some(renewal.session);
                    record.term = renewal.term;
                }
                _ => {}
            }
        }
        _ => {}
    }
    let (Reply::Renewed(answer), write) = judge(record.as_ref(), renewal.clone(), now_ms, Term::FIRST) else {
        unreachable!("a renewal is answered as one")
    };
    let (Some(mut written), Some(current)) = (write, current) else { return (answer, Write::Keep) };
    match fault {
        Some(Fault::RenewKeepsVersion) => written.version = current.version,
        Some(Fault::RenewDoesNotExtend) => {
            (written.ttl_ms, written.expires_ms) = (current.ttl_ms, current.expires_ms);
        }
        Some(Fault::RenewShortens) => {
            written.ttl_ms = renewal.ttl.as_millis() as u64;
            written.expires_ms = now_ms + written.ttl_ms;
        }
        Some(Fault::RenewalExpiresEarly) => written.expires_ms = now_ms + written.ttl_ms / 2,
        Some(Fault::ValueIsNotReplaced) => written.value = current.value.clone(),
        Some(Fault::AgeCountsFromTheRenewal) => written.since_ms = now_ms,
        _ => {}
    }
    (Renewed::extended(written.version), Write::Put(written))
}

pub(crate) fn release(
    fault: Option<Fault>,
    current: Option<&Record>,
    revoked: Option<Session>,
    claimed_by: Option<&Id>,
    release: &Release,
    now_ms: u64,
) -> Write {
    let Some(record) = current else {
        return if fault == Some(Fault::ReleaseCreates) { Write::Put(nobodys()) } else { Write::Keep };
    };
    let mut release = release.clone();
    match fault {
        Some(Fault::ReleaseDoesNothing) => return Write::Keep,
        Some(Fault::ReservationIsMadeAgain) if reserved(record, now_ms) && release.successor.is_some() => {
            let held = changed(record, |record| record.session = Some(release.session));
            return judge(Some(&held), release, now_ms, Term::FIRST).1.into();
        }
        Some(Fault::ReleaseWritesAgain) if record.session.is_none() => return moved(record),
        Some(Fault::ReleaseNeedsALiveLease) if !live(record, now_ms) => return Write::Keep,
        Some(Fault::ReleaseIgnoresSession) => release.session = record.session.unwrap_or(release.session),
        Some(Fault::ReleaseGoesById) if claimed_by == Some(&record.id) => {
            release.session = record.session.unwrap_or(release.session);
        }
        Some(Fault::RevokedIsReleasedByItsHolder) if is_nobodys(record) && claimed_by == Some(&record.id) => {
            release.session = Session::NOBODY;
        }
        Some(Fault::RevokedReleaseEndsTheNextReign) if revoked == Some(release.session) => {
            release.session = record.session.unwrap_or(release.session);
        }
        _ => {}
    }
    let Some(mut written) = judge(Some(record), release, now_ms, Term::FIRST).1 else { return Write::Keep };
    match fault {
        Some(Fault::ReleaseDeletes) => return Write::Delete,
        Some(Fault::ReleaseForgetsTheValue) => written.value = None,
        Some(Fault::ReleaseResetsTheTerm) => written.term = Term::FIRST,
        Some(Fault::ReleaseKeepsTheVersion) => written.version = record.version,
        Some(Fault::TransferForgetsTheValue) if reserves(&written) => written.value = None,
        Some(Fault::TransferKeepsTheVersion) if reserves(&written) => written.version = record.version,
        Some(Fault::ReleaseReservesForItself) if !reserves(&written) => written.expires_ms = record.expires_ms,
        Some(Fault::ClockBackReservesWhatIsFree) if !reserves(&written) => written.expires_ms = now_ms,
        _ => {}
    }
    Write::Put(written)
}

/// A record that no grant made.
fn nobodys() -> Record {
    Record::restore(None, Id::new("nobody").unwrap(), Term::FIRST, Version::FIRST, 0, 0)
}

pub(crate) fn revoke(
    fault: Option<Fault>,
    current: Option<&Record>,
    revoke: &Revoke,
    now_ms: u64,
) -> (Option<Lease>, Write) {
    let mut revoke = revoke.clone();
    let mut held = current.cloned();
    match (fault, &mut held) {
        (Some(Fault::RevokeIgnoresTheTerm), _) => revoke.term = None,
        (Some(Fault::RevokedIsFreeAtOnce), _) => revoke.now = true,
        (Some(Fault::RevokedExpiredIsFree), Some(record)) if !live(record, now_ms) => revoke.now = true,
        (Some(Fault::RevokedWaitsAllTheSame), Some(record)) if is_nobodys(record) => revoke.now = false,
        (Some(Fault::RevokedIsRevokedAgain), Some(record)) if is_nobodys(record) => {
            record.session = Some(Session::from_bits(1));
        }
        _ => {}
    }
    let (Reply::Revoked(before), write) = judge(held.as_ref(), revoke, now_ms, Term::FIRST) else {
        unreachable!("a revoke is answered as one")
    };
    let Some(current) = current else {
        return (before, if fault == Some(Fault::RevokeCreates) { Write::Put(nobodys()) } else { Write::Keep });
    };
    let Some(mut written) = write else {
        return match fault {
            Some(Fault::RevokeWritesAgain) if current.session.is_none() => (before, moved(current)),
            Some(Fault::RevokeShowsAReleasedLease) => (Some(current.lease(now_ms)), Write::Keep),
            _ => (before, Write::Keep),
        };
    };
    match fault {
        Some(Fault::RevokeDoesNothing) => return (before, Write::Keep),
        Some(Fault::RevokeNeedsALiveLease) if !live(current, now_ms) => return (None, Write::Keep),
        Some(Fault::RevokeOfTheLastTermDoesNothing) if current.term == Term::LAST => return (None, Write::Keep),
        Some(Fault::RevokeShowsTheLeaseAfter) => return (Some(written.lease(now_ms)), Write::Put(written)),
        Some(Fault::RevokeForgetsTheValue) => written.value = None,
        Some(Fault::RevokeReservesForTheHolder) => written.expires_ms = current.expires_ms,
        Some(Fault::RevokeKeepsTheTerm) => written.term = current.term,
        Some(Fault::RevokeKeepsTheVersion) => written.version = current.version,
        _ => {}
    }
    (before, Write::Put(written))
}

pub(crate) fn get(fault: Option<Fault>, current: Option<&Record>, key: &Key, now_ms: u64) -> (Option<Lease>, Write) {
    let lease = current.map(|record| record.lease(now_ms));
    match (fault, lease) {
        (Some(Fault::GetShowsVersionBefore), Some(lease)) => (Some(version_before(lease)), Write::Keep),
        (Some(Fault::GetInventsALease), None) => {
            let mut nothing = Lease::new(Term::FIRST, Version::FIRST, Duration::ZERO);
            nothing.id = Id::new(&key.as_str()[..1]).ok();
            (Some(nothing), Write::Keep)
        }
        (Some(Fault::GetWrites), Some(lease)) => (Some(lease), current.map_or(Write::Keep, moved)),
        (_, lease) => (lease, Write::Keep),
    }
}

pub(crate) fn version_before(mut lease: Lease) -> Lease {
    lease.version = Version::new(lease.version.get().saturating_sub(1));
    lease
}
