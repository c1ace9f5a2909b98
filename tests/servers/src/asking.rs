//! Requests as tests of storages make them, and answers as they expect them.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::{Either, select};
use lessor::storage::{Acquired, Claim, Get, List, Release, Renewal, Renewed, Request, Revoke, Session};
use lessor::{Id, Key, StorageError, SystemTimer, Term, Timer, Wakeups};

/// Longer than any test.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Since the machine started.
#[must_use]
pub fn now() -> Duration {
    SystemTimer::new().now().since_origin()
}

/// A key of this name.
///
/// # Panics
/// If there can be none.
#[must_use]
pub fn key(key: &str) -> Key {
    Key::new(key).expect("a key")
}

/// A claim of the candidate with this session, for a minute.
///
/// # Panics
/// If there can be no such key.
#[must_use]
pub fn claim(key: &str, session: u128) -> Claim {
    claim_for(MINUTE, key, session)
}

/// A claim of the candidate with this session.
///
/// # Panics
/// If there can be no such key.
#[must_use]
pub fn claim_for(ttl: Duration, key: &str, session: u128) -> Claim {
    let id = Id::new(format!("candidate {session}")).expect("an id");
    Claim::new(self::key(key), id, Session::from_bits(session), ttl)
}

/// Of so many keys, whose names are numbers.
#[must_use]
pub fn claims(count: usize, session: u128) -> Vec<Claim> {
    (0..count).map(|number| claim(&number.to_string(), session)).collect()
}

/// The same claim for another time.
#[must_use]
pub fn lasting(ttl: Duration, claim: Claim) -> Claim {
    let mut claim = claim;
    claim.ttl = ttl;
    claim
}

/// Of the lease that was claimed.
#[must_use]
pub fn renewal(claim: &Claim, term: Term) -> Renewal {
    let Claim { key, id, session, ttl, value, .. } = claim.clone();
    Renewal::new(key, id, session, term, ttl).value(value)
}

/// Of the lease that was claimed.
#[must_use]
pub fn release(claim: &Claim) -> Release {
    Release::new(claim.key.clone(), claim.session)
}

/// What frees a key at once, whoever holds it.
#[must_use]
pub fn at_once(key: &Key) -> Revoke {
    Revoke::from(key).now(true)
}

/// A batch of these.
pub fn requests<R: Into<Request>>(some: impl IntoIterator<Item = R>) -> Vec<Request> {
    some.into_iter().map(Into::into).collect()
}

/// A batch of these, whose sender waits so long that they travel together, and none is given up, however slow the machine is.
///
/// # Panics
/// If there is an operation that this does not know.
pub fn patiently<R: Into<Request>>(some: impl IntoIterator<Item = R>) -> Vec<Request> {
    let mut some = requests(some);
    for request in &mut some {
        match request {
            Request::Acquire(Claim { patience, .. })
            | Request::Renew(Renewal { patience, .. })
            | Request::Release(Release { patience, .. })
            | Request::Get(Get { patience, .. })
            | Request::Revoke(Revoke { patience, .. })
            | Request::List(List { patience, .. }) => *patience = Some(MINUTE),
            other => panic!("{other:?}"),
        }
    }
    some
}

/// The term that was granted.
///
/// # Panics
/// If none was.
#[track_caller]
pub fn granted(acquired: Result<Acquired, StorageError>) -> Term {
    match acquired.expect("an answer") {
        Acquired::Granted { term, .. } => term,
        held => panic!("{held:?}"),
    }
}

/// The lease lasts on.
///
/// # Panics
/// If it was lost.
#[track_caller]
pub fn extended(renewed: Result<Renewed, StorageError>) {
    let renewed = renewed.expect("an answer");
    assert!(matches!(renewed, Renewed::Extended { .. }), "{renewed:?}");
}

/// For how long many who want the same ask on, and how often they were granted it.
///
/// For four seconds at least, and until there were enough: a busy machine takes its time for so many.
#[derive(Clone, Debug)]
pub struct Contest {
    began: Duration,
    enough: usize,
    grants: Arc<AtomicUsize>,
}

impl Contest {
    /// It begins now, and ends after more grants than this.
    #[must_use]
    pub fn begin(enough: usize) -> Self {
        Self { began: now(), enough, grants: Arc::default() }
    }

    /// One more.
    pub fn grant(&self) {
        self.grants.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether to ask once more.
    ///
    /// # Panics
    /// If there are not enough after far too long.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        let (took, grants) = (now() - self.began, self.grants.load(Ordering::Relaxed));
        assert!(took < MINUTE * 2, "only {grants} grants");
        took < Duration::from_secs(4) || grants <= self.enough
    }
}

/// What comes of it, unless it takes far too long.
pub async fn soon<F: Future>(what: F) -> Option<F::Output> {
    match select(Box::pin(what), Box::pin(SystemTimer::new().sleep(PATIENCE))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// What comes of it within this time, as who gives up then asks. What the machine stands still does not count: nothing could come.
pub async fn within<F: Future>(limit: Duration, what: F) -> Option<F::Output> {
    const GRAIN: Duration = Duration::from_millis(20);
    let timer = SystemTimer::new();
    let over = async {
        for _ in 0..limit.as_millis() / GRAIN.as_millis() {
            timer.sleep(GRAIN).await;
        }
    };
    match select(Box::pin(what), Box::pin(over)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// There is a wake-up.
///
/// # Panics
/// If none comes.
pub async fn woken(wakeups: &mut Wakeups) {
    assert_eq!(soon(wakeups.next()).await, Some(Some(())), "no wake-up");
}
