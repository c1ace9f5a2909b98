//! The storage: one record, judged by the shipped [`Record::judge`], and what was promised about it.

use lessor::storage::{Acquired, Claim, Record, Renewal, Renewed, Reply, Request, Verdict};
use lessor::{Lease, Term};

use crate::fault::Fault;
use crate::network::Grant;
use crate::news::News;
use crate::registers::Register;

/// The storage's clock at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// What it shows.
    pub(crate) now_ms: u64,
    /// What it would show, had it never stepped: leases are promised in this time.
    pub(crate) steady_ms: u64,
}

/// One record, and what was promised about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) record: Option<Record>,
    /// The highest term granted.
    pub(crate) highest: Option<Term>,
    /// Until when the newest grant or renewal lasts.
    pub(crate) promised_ms: u64,
    /// Where observers judge: what is in the register is the record.
    pub(crate) register: Register,
}

/// What came of a request.
pub(crate) struct Applied {
    pub(crate) reply: Reply,
    pub(crate) grant: Option<Grant>,
    pub(crate) news: News,
}

impl Store {
    pub(crate) fn apply(&mut self, request: &Request, clock: Reading, fault: Option<Fault>) -> Applied {
        let before = self.record.take();
        let mut verdict = judge(before.as_ref(), request, clock, fault);
        forget_ages(&mut verdict);
        let reply = verdict.reply;
        let (mut grant, mut news) = (None, News::default());
        match (request, &reply) {
            (Request::Acquire(claim), Reply::Acquired(Acquired::Granted { term, .. })) => {
                let found = found(before.as_ref(), claim, *term, clock);
                grant = Some(found);
                if before.as_ref().is_some_and(|record| is_reserved(record, clock) && record.id != claim.id) {
                    news |= News::RESERVED_FOR_ANOTHER;
                }
                news |= self.note_grant(before.as_ref(), claim, *term, found);
                news |= self.write(before, verdict.write, clock);
            }
            (Request::Renew(renewal), Reply::Renewed(Renewed::Extended { .. })) => {
                news |= note_renewal(before.as_ref(), renewal, clock);
                news |= self.write(before, verdict.write, clock);
            }
            (Request::Acquire(claim), Reply::Acquired(Acquired::Refused { .. })) => {
                if before.as_ref().is_some_and(|record| is_reserved(record, clock) && record.id != claim.id) {
                    news |= News::KEPT_FOR_ANOTHER;
                }
                news |= self.write(before, verdict.write, clock);
            }
            // A released record was promised to nobody.
            (Request::Release(_), _) => {
                let deleted = fault == Some(Fault::RecordDeleted) && verdict.write.is_some();
                self.record = verdict.write.or(before).filter(|_| !deleted);
            }
            _ => news |= self.write(before, verdict.write, clock),
        }
        Applied { reply, grant, news }
    }

    pub(crate) fn note_grant(&mut self, before: Option<&Record>, claim: &Claim, term: Term, found: Grant) -> News {
        let its_own = before.is_some_and(|record| record.session == Some(claim.session));
        let again = found == Grant::Repeated && its_own && Some(term) == self.highest;
        let newer = Some(term) > self.highest;
        self.highest = self.highest.max(Some(term));
        if newer || again { News::default() } else { News::GRANT_NOT_NEWER }
    }

    /// Writes what a verdict says, unless it says nothing.
    pub(crate) fn write(&mut self, before: Option<Record>, write: Option<Record>, clock: Reading) -> News {
        let mut news = News::default();
        let Some(record) = write else {
            self.record = before;
            return news;
        };
        let promised_ms = clock.steady_ms + record.ttl_ms;
        let live = before.is_some_and(|before| {
            let same = before.session == record.session && promised_ms >= self.promised_ms;
            before.session.is_some() && clock.steady_ms < self.promised_ms && !same
        });
        if live {
            news |= News::SHORTENED;
        }
        self.promised_ms = promised_ms;
        self.record = Some(record);
        news
    }
}

/// What the shipped code says, or what it would say without one of its rules.
fn judge(before: Option<&Record>, request: &Request, clock: Reading, fault: Option<Fault>) -> Verdict {
    let judge = |request, now_ms| Record::judge(before, request, now_ms, Term::FIRST);
    match (fault, request, before) {
        (Some(Fault::AfterIgnored), Request::Acquire(claim), Some(record)) => {
            let mine = record.session == Some(claim.session) && is_live(record, clock);
            let after = if mine { None } else { Some(record.term) };
            judge(&claim.clone().after(after).into(), clock.now_ms)
        }
        (Some(Fault::RenewRevives), Request::Renew(_), Some(record)) if !is_live(record, clock) => {
            judge(request, record.expires_ms.saturating_sub(1))
        }
        (Some(Fault::ReservationIgnored), Request::Acquire(_), Some(record)) if record.session.is_none() => {
            let mut free = record.clone();
            free.expires_ms = 0;
            Record::judge(Some(&free), request, clock.now_ms, Term::FIRST)
        }
        _ => judge(request, clock.now_ms),
    }
}

/// Released in favour of somebody, who may still come.
pub(crate) fn is_reserved(record: &Record, clock: Reading) -> bool {
    let ahead = clock.now_ms < record.expires_ms && record.expires_ms <= clock.now_ms + record.ttl_ms;
    record.session.is_none() && ahead
}

fn is_live(record: &Record, clock: Reading) -> bool {
    record.lease(clock.now_ms).is_live()
}

/// What a claim that was granted this term had found.
pub(crate) fn found(before: Option<&Record>, claim: &Claim, term: Term, clock: Reading) -> Grant {
    match before {
        None => Grant::First,
        Some(record) if record.term == term => Grant::Repeated,
        Some(record) if is_reserved(record, clock) => Grant::Reserved,
        Some(record) if record.session.is_none() && record.expires_ms > 0 => Grant::ReservedInVain,
        Some(record) if record.session.is_none() => Grant::Released,
        Some(record) if record.session == Some(claim.session) => Grant::Anew,
        Some(_) => Grant::Expired,
    }
}

/// Whether it is the lease that the renewal is about.
pub(crate) fn is_own(record: &Record, renewal: &Renewal) -> bool {
    record.session == Some(renewal.session) && record.term == renewal.term
}

fn note_renewal(before: Option<&Record>, renewal: &Renewal, clock: Reading) -> News {
    let mut news = News::default();
    if before.is_some_and(|record| !is_live(record, clock)) {
        news |= News::REVIVED;
    }
    if !before.is_some_and(|record| is_own(record, renewal)) {
        news |= News::RENEWED_ANOTHER;
    }
    news
}

/// For how long a term has lasted is for people, nothing is decided by it: without it fewer states are distinct.
fn forget_ages(verdict: &mut Verdict) {
    if let Some(record) = &mut verdict.write {
        record.since_ms = 0;
    }
    let shown: Option<&mut Lease> = match &mut verdict.reply {
        Reply::Acquired(Acquired::Refused { lease, .. }) | Reply::Renewed(Renewed::Lost { lease, .. }) => {
            lease.as_mut()
        }
        _ => None,
    };
    if let Some(lease) = shown {
        lease.age = None;
    }
}
