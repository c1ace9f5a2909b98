//! The storage: one record, judged by the shipped functions, and what was promised about it.

use std::hash::{Hash, Hasher};

use lessor::{Acquired, Claim, Record, Renewed, Reply, Request, Session, StorageError, Term};

use crate::fault::Fault;
use crate::network::Grant;
use crate::news::News;

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
    highest: Option<Term>,
    /// Until when the newest grant or renewal lasts.
    promised_ms: u64,
}

/// What came of a request.
pub(crate) struct Applied {
    pub(crate) reply: Reply,
    pub(crate) grant: Option<Grant>,
    pub(crate) news: News,
}

impl Store {
    pub(crate) fn apply(&mut self, request: &Request, clock: Reading, fault: Option<Fault>) -> Applied {
        match request {
            Request::Acquire(claim) => self.acquire(claim, clock, fault),
            Request::Renew(claim, term) => self.renew(claim, *term, clock, fault),
            Request::Release(_, session) => self.release(*session, fault),
            _ => Applied::plain(Reply::Failed(StorageError::permanent("only candidates take part"))),
        }
    }

    fn acquire(&mut self, claim: &Claim, clock: Reading, fault: Option<Fault>) -> Applied {
        let before = self.record.take();
        let mut claim = claim.clone();
        if let Some(record) = before.as_ref().filter(|_| fault == Some(Fault::AfterIgnored)) {
            let mine = record.session == Some(claim.session) && record.lease(clock.now_ms).is_live();
            claim.after = if mine { None } else { Some(record.term) };
        }
        let verdict = Record::acquire(before.as_ref(), &claim, clock.now_ms, Term::FIRST);
        let Acquired::Granted { term, .. } = verdict.answer else {
            self.record = verdict.write.or(before);
            return Applied::plain(Reply::Acquired(verdict.answer));
        };
        let mut news = News::default();
        let grant = match &before {
            None => Grant::First,
            Some(record) if record.term == term => Grant::Repeated,
            Some(record) if record.session.is_none() => Grant::Released,
            Some(record) if record.session == Some(claim.session) => Grant::Anew,
            Some(_) => Grant::Expired,
        };
        let its_own = before.as_ref().is_some_and(|record| record.session == Some(claim.session));
        if Some(term) <= self.highest && !(grant == Grant::Repeated && its_own && Some(term) == self.highest) {
            news |= News::GRANT_NOT_NEWER;
        }
        self.highest = self.highest.max(Some(term));
        news |= self.write(before, verdict.write, clock);
        Applied { reply: Reply::Acquired(verdict.answer), grant: Some(grant), news }
    }

    fn renew(&mut self, claim: &Claim, term: Term, clock: Reading, fault: Option<Fault>) -> Applied {
        let before = self.record.take();
        let expired = before.as_ref().filter(|record| !record.lease(clock.now_ms).is_live());
        let judged_at = match expired {
            Some(record) if fault == Some(Fault::RenewRevives) => record.expires_ms.saturating_sub(1),
            _ => clock.now_ms,
        };
        let verdict = Record::renew(before.as_ref(), claim, term, judged_at);
        let mut news = News::default();
        if matches!(verdict.answer, Renewed::Extended { .. }) {
            let own = |record: &Record| record.session == Some(claim.session) && record.term == term;
            if expired.is_some() {
                news |= News::REVIVED;
            }
            if !before.as_ref().is_some_and(own) {
                news |= News::RENEWED_ANOTHER;
            }
        }
        news |= self.write(before, verdict.write, clock);
        Applied { reply: Reply::Renewed(verdict.answer), grant: None, news }
    }

    fn release(&mut self, session: Session, fault: Option<Fault>) -> Applied {
        if let Some(released) = Record::release(self.record.as_ref(), session) {
            self.record = Some(released).filter(|_| fault != Some(Fault::RecordDeleted));
        }
        Applied::plain(Reply::Released)
    }

    /// Writes what a verdict says, unless it says nothing.
    fn write(&mut self, before: Option<Record>, write: Option<Record>, clock: Reading) -> News {
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

impl Applied {
    fn plain(reply: Reply) -> Self {
        Self { reply, grant: None, news: News::default() }
    }
}

impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.highest, self.promised_ms).hash(state);
        let Some(Record { session, holder, term, version, ttl_ms, expires_ms, value }) = &self.record else { return };
        (session, holder, term, version, ttl_ms, expires_ms, value).hash(state);
    }
}
