//! The service as a [`Storage`].

use core::fmt;
use std::sync::Arc;

use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::{Lane, Traffic};
use serde::Deserialize;

use crate::builder::HttpBuilder;
use crate::remote::Remote;
use crate::service::Service;
use crate::watch::Watch;

/// Leases in a lease service, over HTTP. Clones share its connections.
///
/// The [crate's documentation](crate) says how it wakes followers, and what its errors are.
///
/// The operations of candidates need a token of the role `candidate`, [`revoke`](lessor::StorageExt::revoke) one of the role `admin`; to look, and to
/// [list](lessor::StorageExt::list) the keys that it is for, a token of any role will do.
///
/// ```
/// use lessor_http::HttpStorage;
///
/// let storage = HttpStorage::new("https://leases.example.com", "at-least-20-random-characters");
/// assert!(storage.is_ok(), "nothing is asked of the service yet");
/// ```
#[derive(Clone)]
pub struct HttpStorage {
    lane: Arc<Lane<Remote>>,
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

    pub(crate) fn of(service: Service, connections: usize, watch: Option<Watch>) -> Self {
        let lane = Lane::new(Remote(Arc::new(service)), connections);
        Self { lane: Arc::new(lane), watch: watch.map(Arc::new) }
    }

    /// How busy the way to the service is.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.lane.traffic()
    }

    fn service(&self) -> &Arc<Service> {
        &self.lane.server().0
    }
}

#[async_trait]
impl Storage for HttpStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.lane.ask(request).await
    }

    /// One request over HTTP for up to 256 operations of one kind.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.lane.ask_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.watch.as_ref().map_or(Wakeups::never(), |watch| watch.subscribe(key).complete())
    }

    /// Whether the service answers, and the token has a role that may campaign. Changes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        let service = self.service().clone();
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
        f.debug_struct("HttpStorage").field("url", &self.service().url).finish_non_exhaustive()
    }
}
