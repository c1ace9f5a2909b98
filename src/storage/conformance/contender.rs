use alloc::format;
use core::time::Duration;

use super::Harness;
use super::case::{Case, GRAIN, Outcome, Stop, expect};
use crate::lease::Lease;
use crate::storage::{
    Acquired, Claim, Release, Renewal, Renewed, Revoke, Session, StorageExt, Successor, Takeover, Version,
};
use crate::term::Term;
use crate::text::{Id, Key, Value};
use crate::time::Instant;

/// Somebody who wants a key: a claim and a handle, with what has to come of it in the names of the methods.
pub(super) struct Contender<'a, H: Harness> {
    case: &'a Case<'a, H>,
    pub(super) storage: &'a H::Storage,
    pub(super) claim: Claim,
}

/// What was granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) term: Term,
    pub(super) version: Version,
    /// The harness's clock before the claim was sent: the lease began no earlier.
    pub(super) sent: Instant,
    /// The harness's clock after the reply: the lease began no later.
    pub(super) told: Instant,
}

/// What a refusal said.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) lease: Option<Lease>,
    pub(super) retry_after: Duration,
}

impl<'a, H: Harness> Contender<'a, H> {
    pub(super) fn new(case: &'a Case<'_, H>, key: &Key, number: u32) -> Result<Self, Stop> {
        let storage = case.handle(usize::try_from(number).unwrap_or(0))?;
        let id = Id::new(format!("contender {number}"))?;
        let session = Session::from_bits(0xC0DE_0000_0000_0000_0000_0000_0000_0000 | u128::from(number));
        let claim = Claim::new(key.clone(), id, session, case.long());
        Ok(Self { case, storage, claim })
    }

    pub(super) fn with(&self, change: impl FnOnce(&mut Claim)) -> Self {
        let mut claim = self.claim.clone();
        change(&mut claim);
        Self { case: self.case, storage: self.storage, claim }
    }

    /// The same candidate, by another handle.
    pub(super) fn through(&self, handle: usize) -> Result<Self, Stop> {
        Ok(Self { storage: self.case.handle(handle)?, ..self.with(|_| {}) })
    }

    pub(super) fn ttl(&self, ttl: Duration) -> Self {
        self.with(|claim| claim.ttl = ttl)
    }

    pub(super) fn takeover(&self, takeover: Takeover) -> Self {
        self.with(|claim| claim.takeover = takeover)
    }

    pub(super) fn value(&self, value: &str) -> Result<Self, Stop> {
        let value = Value::new(value)?;
        Ok(self.with(|claim| claim.value = Some(value)))
    }

    pub(super) fn after(&self, after: Option<Term>) -> Self {
        self.with(|claim| claim.after = after)
    }

    pub(super) async fn acquire(&self, after: Option<Term>) -> Result<Acquired, Stop> {
        let claim = Claim { after, ..self.claim.clone() };
        self.case.answer("acquire", self.storage.acquire(claim)).await
    }

    /// A claim that has to be granted.
    pub(super) async fn win(&self, after: Option<Term>) -> Result<Grant, Stop> {
        let sent = self.case.now();
        match self.acquire(after).await? {
            Acquired::Granted { term, version } => Ok(Grant { term, version, sent, told: self.case.now() }),
            held => Err(Stop::failed(format!("{} that knows of {after:?} is granted the key", self.claim.id), held)),
        }
    }

    /// A claim that has to be refused.
    pub(super) async fn refused(&self, after: Option<Term>) -> Result<Refusal, Stop> {
        match self.acquire(after).await? {
            Acquired::Refused { lease, retry_after } => Ok(Refusal { lease, retry_after }),
            granted => Err(Stop::failed(format!("{} that knows of {after:?} is refused", self.claim.id), granted)),
        }
    }

    /// Claims until it is granted, which has to be no earlier than told and soon after.
    pub(super) async fn take_over(&self, after: Option<Term>, not_before: Instant) -> Result<Grant, Stop> {
        let give_up = self.case.now().max(not_before).saturating_add(self.case.harness.patience());
        loop {
            let sent = self.case.now();
            let answer = self.acquire(after).await?;
            let now = self.case.now();
            match answer {
                Acquired::Granted { term, version } => {
                    let early = not_before.saturating_duration_since(now);
                    expect(early <= GRAIN, "no grant while the lease of another lasts", format!("{early:?} early"))?;
                    return Ok(Grant { term, version, sent, told: now });
                }
                held => expect(now < give_up, "a grant after the lease of another has run out", held)?,
            }
            self.case.pause().await;
        }
    }

    /// What others have to see of its grant.
    pub(super) fn shown(&self, grant: &Grant, seen: &Lease) -> Lease {
        let Claim { id, ttl, value, .. } = self.claim.clone();
        Lease {
            id: Some(id),
            value,
            time_left: seen.time_left,
            age: seen.age,
            ..Lease::new(grant.term, grant.version, ttl)
        }
    }

    /// What renews its lease of this term.
    pub(super) fn renewal(&self, term: Term) -> Renewal {
        let Claim { key, id, session, ttl, value, .. } = self.claim.clone();
        Renewal::new(key, id, session, term, ttl).value(value)
    }

    /// What gives up its lease.
    pub(super) fn releasing(&self) -> Release {
        Release::new(self.claim.key.clone(), self.claim.session)
    }

    /// What gives up its lease in favour of another.
    pub(super) fn transferring(&self, to: &Self, within: Duration) -> Release {
        self.releasing().successor(Some(Successor::new(to.claim.id.clone(), within)))
    }

    pub(super) async fn renew(&self, term: Term) -> Result<Renewed, Stop> {
        self.case.answer("renew", self.storage.renew(self.renewal(term))).await
    }

    /// A renewal that has to be granted.
    pub(super) async fn extend(&self, term: Term) -> Result<Version, Stop> {
        match self.renew(term).await? {
            Renewed::Extended { version } => Ok(version),
            lost => Err(Stop::failed(format!("{} renews its live lease of term {term}", self.claim.id), lost)),
        }
    }

    /// A renewal that has to be refused.
    pub(super) async fn lose(&self, term: Term) -> Result<Option<Lease>, Stop> {
        match self.renew(term).await? {
            Renewed::Lost { lease } => Ok(lease),
            extended => Err(Stop::failed(format!("{} has lost term {term}", self.claim.id), extended)),
        }
    }

    pub(super) async fn release(&self) -> Outcome {
        self.case.answer("release", self.storage.release(self.releasing())).await
    }

    pub(super) async fn release_to(&self, to: &Self, within: Duration) -> Outcome {
        self.case.answer("release", self.storage.release(self.transferring(to, within))).await
    }

    /// Takes the lease from whoever holds it, and frees the key.
    pub(super) async fn revoke(&self) -> Result<Option<Lease>, Stop> {
        self.case.answer("revoke", self.storage.revoke(self.revocation().now(true))).await
    }

    /// Takes the lease from whoever holds it, and leaves the key to nobody until that lease would have ended.
    pub(super) async fn revoke_softly(&self) -> Result<Option<Lease>, Stop> {
        self.case.answer("revoke", self.storage.revoke(self.revocation())).await
    }

    /// As [`revoke`](Self::revoke), from whoever holds it in this term.
    pub(super) async fn revoke_term(&self, term: Term) -> Result<Option<Lease>, Stop> {
        self.case.answer("revoke", self.storage.revoke(self.revocation().term(Some(term)).now(true))).await
    }

    fn revocation(&self) -> Revoke {
        Revoke::new(self.claim.key.clone())
    }

    pub(super) async fn get(&self) -> Result<Option<Lease>, Stop> {
        self.case.answer("get", self.storage.get(&self.claim.key)).await
    }

    /// The lease of the key, which has to exist.
    pub(super) async fn lease(&self) -> Result<Lease, Stop> {
        self.get().await?.ok_or_else(|| Stop::failed("a lease: no operation deletes the record", "none"))
    }

    /// That the lease is live and this contender's.
    pub(super) async fn leads(&self, term: Term) -> Outcome {
        let lease = self.lease().await?;
        let leads = lease.is_live() && lease.term == term && lease.id.as_ref() == Some(&self.claim.id);
        expect(leads, format!("{} holds a live lease of term {term}", self.claim.id), lease)
    }

    /// That at least this much of the lease is left, counted from before the request for it was sent.
    pub(super) async fn has_left(&self, ttl: Duration, sent: Instant) -> Outcome {
        let lease = self.lease().await?;
        let least = ttl.saturating_sub(self.case.now().saturating_duration_since(sent)).saturating_sub(GRAIN);
        expect(lease.time_left >= least, format!("at least {least:?} left"), lease.clone())?;
        expect(lease.time_left <= lease.ttl, "no more left than its ttl", lease)
    }

    /// Waits until the lease has expired.
    pub(super) async fn expire(&self) -> Result<Lease, Stop> {
        let give_up = self.case.now().saturating_add(self.claim.ttl).saturating_add(self.case.harness.patience());
        loop {
            let lease = self.lease().await?;
            if lease.time_left.is_zero() {
                return Ok(lease);
            }
            expect(self.case.now() < give_up, "the lease runs out after its ttl", lease)?;
            self.case.pause().await;
        }
    }
}
