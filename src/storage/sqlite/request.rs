use core::time::Duration;

use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Record, Renewed, Verdict};

/// One operation on one key, as a function over its record.
pub(super) trait Request: Clone + Send + 'static {
    type Answer: Clone + Send + 'static;

    /// Whether it often, or always, writes nothing: then a look that locks nothing comes first, and is the answer if
    /// nothing is to be written. What it saw was committed, so the answer was right at that moment.
    const LOOKS_FIRST: bool;

    fn key(&self) -> &Key;

    /// For how long whoever asked can wait for another's lock, if it can be told.
    fn patience(&self) -> Option<Duration>;

    fn judge(&self, record: Option<&Record>, now_ms: u64) -> Verdict<Self::Answer>;
}

/// Half of what a candidate waits by default: a look and a transaction both have to fit.
fn patience(claim: &Claim) -> Option<Duration> {
    Some((claim.ttl / 10).max(Duration::from_millis(1)))
}

/// To acquire.
impl Request for Claim {
    type Answer = Acquired;
    const LOOKS_FIRST: bool = true;

    fn key(&self) -> &Key {
        &self.key
    }

    fn patience(&self) -> Option<Duration> {
        patience(self)
    }

    fn judge(&self, record: Option<&Record>, now_ms: u64) -> Verdict<Acquired> {
        Record::acquire(record, self, now_ms, Term::FIRST)
    }
}

/// To renew.
impl Request for (Claim, Term) {
    type Answer = Renewed;
    const LOOKS_FIRST: bool = false;

    fn key(&self) -> &Key {
        &self.0.key
    }

    fn patience(&self) -> Option<Duration> {
        patience(&self.0)
    }

    fn judge(&self, record: Option<&Record>, now_ms: u64) -> Verdict<Renewed> {
        Record::renew(record, &self.0, self.1, now_ms)
    }
}

/// To release.
impl Request for (Key, Session) {
    type Answer = ();
    const LOOKS_FIRST: bool = false;

    fn key(&self) -> &Key {
        &self.0
    }

    fn patience(&self) -> Option<Duration> {
        None
    }

    fn judge(&self, record: Option<&Record>, _: u64) -> Verdict<()> {
        Verdict { answer: (), write: Record::release(record, self.1) }
    }
}

/// To get.
impl Request for Key {
    type Answer = Option<Lease>;
    const LOOKS_FIRST: bool = true;

    fn key(&self) -> &Key {
        self
    }

    fn patience(&self) -> Option<Duration> {
        None
    }

    fn judge(&self, record: Option<&Record>, now_ms: u64) -> Verdict<Option<Lease>> {
        Verdict { answer: record.map(|record| record.lease(now_ms)), write: None }
    }
}
