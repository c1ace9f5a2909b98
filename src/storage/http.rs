//! A lease service over HTTP (feature `http`): processes anywhere share leases with each other, and with Workers.
//!
//! The service is `wasm/`, on Cloudflare or on your own workerd; its API is specified in `wasm/API.md`. The service's
//! clock judges; durations travel, never dates.
//!
//! Any answer but a clear verdict (a timeout, a broken connection, a status that says that something went wrong) is an
//! error: whether the request was applied is then open, and a leader leads on until its own deadline.
//!
//! Requests run on the threads of the `blocking` crate, so any executor will do. Connections are kept and used again.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or revoked; renewals wake nobody. One WebSocket carries that for
//! all keys of a storage and its clones, on a thread of its own. It is opened at the first
//! [`subscribe`](Storage::subscribe), and closed with the last clone of the storage, or within half a minute when nobody
//! subscribes any more. A lost connection is made anew, after 250 ms at first and 30 s at last, and always after about
//! 30 s where the service refuses it. Then it wakes the followers of those keys that have passed into other hands
//! meanwhile. A key that is watched for the first time wakes once too: it may have passed into other hands while the
//! subscription was on its way.
//!
//! Nothing relies on wake-ups: whatever is wrong with that connection is no error of an operation, and followers then
//! ask at their [retry interval](crate::Config::retry_interval). There are none
//!
//! * where the only way out is a proxy: requests take the one that the environment names, the socket takes none;
//! * for keys beyond 1,000 of one storage, which is all that the service watches for one socket;
//! * for keys that the token is not for;
//! * with [`wakeups(false)`](HttpStorageBuilder::wakeups).
//!
//! ```no_run
//! use lessor::{Builder, HttpStorage};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = std::env::var("LESSOR_TOKEN")?;
//! let storage = HttpStorage::builder("https://leases.example.com").token(token).build()?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Distinct, Storage, StorageError, Wakeups};
use crate::election::{Reply, Request};
use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Renewed};
use crate::wire::{Ask, Told};

mod builder;
mod error;
mod watch;

pub use builder::{HttpError, HttpStorageBuilder};

use watch::Watch;

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;

/// The most operations of one request.
const MOST: usize = 256;

/// Leases of a service that is reached over HTTP. Clones share its connections.
///
/// The [module](self) says how it wakes followers.
///
/// ```
/// use lessor::HttpStorage;
///
/// let storage = HttpStorage::builder("https://leases.example.com").token("at-least-20-random-characters").build();
/// assert!(storage.is_ok(), "nothing is asked of the service yet");
/// ```
#[derive(Clone)]
pub struct HttpStorage(Arc<Service>);

struct Service {
    agent: ureq::Agent,
    /// Without a slash at its end.
    url: String,
    /// The whole header: a secret.
    authorization: String,
    /// `None`: there are no wake-ups.
    watch: Option<Watch>,
}

impl HttpStorage {
    /// For the service at this URL: `https`, or `http` on the machine itself.
    pub fn builder(url: impl Into<String>) -> HttpStorageBuilder {
        HttpStorageBuilder::new(url.into())
    }

    async fn one(&self, request: Request) -> Result<Reply, StorageError> {
        let told = self.0.clone().ask(vec![request.into()]).await?.pop();
        told.ok_or_else(error::no_fit).and_then(read)
    }

    async fn many<A>(
        &self,
        requests: impl Iterator<Item = Request>,
        keys: impl Iterator<Item = &Key>,
        fit: impl Fn(Reply) -> Result<A, StorageError>,
    ) -> Vec<Result<A, StorageError>> {
        let mut distinct = Distinct::default();
        let mut answers = Vec::new();
        let mut asks = Vec::new();
        for (request, key) in requests.zip(keys) {
            let admitted = distinct.admit(key);
            if admitted.is_ok() {
                asks.push(Ask::from(request));
            }
            answers.push(admitted.err().map(Err));
        }
        let mut told = Vec::with_capacity(asks.len());
        for asks in asks.chunks(MOST) {
            match self.0.clone().ask(asks.to_vec()).await {
                Ok(all) => told.extend(all.into_iter().map(|told| read(told).and_then(&fit))),
                // An error in one request is no verdict on what the others asked.
                Err(error) => told.extend(asks.iter().map(|_| Err(error.clone()))),
            }
        }
        let mut told = told.into_iter();
        answers
            .into_iter()
            .map(|answer| answer.or_else(|| told.next()).unwrap_or_else(|| Err(error::no_fit())))
            .collect()
    }
}

fn read(told: Told) -> Result<Reply, StorageError> {
    Reply::try_from(told).map_err(error::problem)
}

fn acquired(reply: Reply) -> Result<Acquired, StorageError> {
    if let Reply::Acquired(acquired) = reply { Ok(acquired) } else { Err(error::no_fit()) }
}

fn renewed(reply: Reply) -> Result<Renewed, StorageError> {
    if let Reply::Renewed(renewed) = reply { Ok(renewed) } else { Err(error::no_fit()) }
}

fn released(reply: Reply) -> Result<(), StorageError> {
    if let Reply::Released = reply { Ok(()) } else { Err(error::no_fit()) }
}

fn got(reply: Reply) -> Result<Option<Lease>, StorageError> {
    if let Reply::Got(lease) = reply { Ok(lease) } else { Err(error::no_fit()) }
}

#[async_trait]
impl Storage for HttpStorage {
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
        self.one(Request::Acquire(claim.clone())).await.and_then(acquired)
    }

    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
        self.one(Request::Renew(claim.clone(), term)).await.and_then(renewed)
    }

    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
        self.one(Request::Release(key.clone(), session)).await.and_then(released)
    }

    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
        self.one(Request::Get(key.clone())).await.and_then(got)
    }

    async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
        let requests = claims.iter().cloned().map(Request::Acquire);
        self.many(requests, claims.iter().map(|claim| &claim.key), acquired).await
    }

    async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
        let requests = renewals.iter().cloned().map(|(claim, term)| Request::Renew(claim, term));
        self.many(requests, renewals.iter().map(|(claim, _)| &claim.key), renewed).await
    }

    async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
        let requests = releases.iter().cloned().map(|(key, session)| Request::Release(key, session));
        self.many(requests, releases.iter().map(|(key, _)| key), released).await
    }

    async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
        self.many(keys.iter().cloned().map(Request::Get), keys.iter(), got).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.watch.as_ref().map_or(Wakeups::never(), |watch| watch.subscribe(key))
    }

    /// Whether the service answers, and the token may campaign.
    async fn check(&self) -> Result<(), StorageError> {
        let service = self.0.clone();
        let about: About = blocking::unblock(move || service.get("/v1")).await?;
        match about.role.as_str() {
            "candidate" | "admin" => Ok(()),
            role => Err(StorageError::permanent(format!("the token's role is {role:?}, needed is \"candidate\""))),
        }
    }
}

#[derive(Deserialize)]
struct About {
    role: String,
}

impl Service {
    async fn ask(self: Arc<Self>, asks: Vec<Ask>) -> Result<Vec<Told>, StorageError> {
        let count = asks.len();
        let told: Vec<Told> = blocking::unblock(move || self.post("/v1/batch", &asks)).await?;
        if told.len() == count { Ok(told) } else { Err(error::no_fit()) }
    }

    fn post<A: for<'de> Deserialize<'de>>(&self, path: &str, body: &impl serde::Serialize) -> Result<A, StorageError> {
        let body = serde_json::to_vec(body).map_err(StorageError::permanent)?;
        let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", &self.authorization);
        error::answer(request.content_type("application/json").send(&body[..]))
    }

    fn get<A: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<A, StorageError> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", &self.authorization);
        error::answer(request.call())
    }
}

impl fmt::Debug for HttpStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStorage").field("url", &self.0.url).finish_non_exhaustive()
    }
}
