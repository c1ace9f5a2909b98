//! The service as a [`Storage`].

use core::fmt;
use std::sync::Arc;

use futures::future::join_all;
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::batch::Batch;
use lessor_kit::error::AdapterError;
use lessor_wire::WireReply;
use serde::Deserialize;

use crate::builder::HttpBuilder;
use crate::parts::{Part, Parts};
use crate::service::{Service, refused};
use crate::watch::Watch;

/// Leases in a lease service, over HTTP. Clones share its connections.
///
/// The [crate's documentation](crate) says how it wakes followers, and what its errors are.
///
/// The operations of candidates need a token of the role `candidate`, [`revoke`](lessor::StorageExt::revoke) and
/// [`list`](lessor::StorageExt::list) one of the role `admin`.
///
/// ```
/// use lessor_http::HttpStorage;
///
/// let storage = HttpStorage::new("https://leases.example.com", "at-least-20-random-characters");
/// assert!(storage.is_ok(), "nothing is asked of the service yet");
/// ```
#[derive(Clone)]
pub struct HttpStorage {
    service: Arc<Service>,
    /// `None`: there are no wake-ups.
    watch: Option<Arc<Watch>>,
}

impl HttpStorage {
    /// The service at this URL (`https`, or `http` on this machine), with this token, and the defaults of
    /// [`builder`](Self::builder) for everything else.
    ///
    /// Nothing is sent yet: see [`check`](Storage::check).
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] says which is wrong, the URL or the token, and what is allowed.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Result<Self, AdapterError> {
        Self::builder(url).token(token).build()
    }

    /// Settings for the service at this URL: `https`, or `http` on this machine. They need a
    /// [token](HttpBuilder::token) before [`build`](HttpBuilder::build).
    pub fn builder(url: impl Into<String>) -> HttpBuilder {
        HttpBuilder::new(url.into())
    }

    pub(crate) fn of(service: Service, watch: Option<Watch>) -> Self {
        Self { service: Arc::new(service), watch: watch.map(Arc::new) }
    }

    /// The replies to one part of a batch, in order.
    async fn ask(&self, part: &Part) -> Result<Vec<WireReply>, StorageError> {
        let (service, body, count) = (self.service.clone(), part.body(), part.places.len());
        blocking::unblock(move || service.batch(&body, count)).await
    }
}

#[async_trait]
impl Storage for HttpStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.call_all(vec![request]).await.pop().unwrap_or_else(|| Err(AdapterError::Unfit.into()))
    }

    /// One request over HTTP for up to 256 operations; more than one are sent at the same time.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let mut batch = Batch::new(requests.iter().map(Request::key));
        let mut parts = Parts::default();
        for (place, request) in batch.open(requests) {
            if let Err(error) = parts.push(place, request) {
                batch.answer(place, Err(error));
            }
        }
        let asked = parts.into_iter().map(async |part| (self.ask(&part).await, part.places));
        for (replies, places) in join_all(asked).await {
            match replies {
                Ok(replies) => {
                    for (place, reply) in places.into_iter().zip(replies) {
                        batch.answer(place, reply.into_result().map_err(refused));
                    }
                }
                // An error in one part is no verdict on what the others asked.
                Err(error) => places.into_iter().for_each(|place| batch.answer(place, Err(error.clone()))),
            }
        }
        batch.into_answers()
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.watch.as_ref().map_or(Wakeups::never(), |watch| watch.subscribe(key).complete())
    }

    /// Whether the service answers, and the token has a role that may campaign. Changes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        let service = self.service.clone();
        let about: About = blocking::unblock(move || service.about()).await?;
        match about.role.as_str() {
            "candidate" | "admin" => Ok(()),
            role => {
                let needed = format!("the token's role is {role:?}, needed is \"candidate\" or \"admin\"");
                Err(AdapterError::forbidden(needed).into())
            }
        }
    }
}

#[derive(Deserialize)]
struct About {
    role: String,
}

impl fmt::Debug for HttpStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStorage").field("url", &self.service.url).finish_non_exhaustive()
    }
}
