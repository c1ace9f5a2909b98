//! The service as a [`Storage`].

use core::fmt;
use std::sync::Arc;

use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::{Lane, Traffic};

use crate::builder::HttpBuilder;
use crate::history::{self, Change, History, Waiter, Waiting};
use crate::platform;
use crate::remote::Remote;
use crate::service::{About, Service};
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
    /// For people.
    url: Arc<str>,
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

    pub(crate) fn of(url: &str, service: Service, connections: usize, watch: Option<Watch>) -> Self {
        let lane = platform::lane(Remote(service), connections);
        #[cfg_attr(target_family = "wasm", expect(clippy::arc_with_non_send_sync, reason = "there is one thread"))]
        let lane = Arc::new(lane);
        Self { lane, watch: watch.map(Arc::new), url: url.into() }
    }

    /// The changes of hands of a key, newest first, as far as the service keeps them: 100 at most. Nothing where nobody ever led.
    ///
    /// # Errors
    /// As those of a [look](lessor::StorageExt::get).
    pub async fn history(&self, key: &Key) -> Result<Vec<Change>, StorageError> {
        let History { history } = self.lane.server().0.look(history::path(key, "history")).await?;
        Ok(history.into_iter().map(Change::from).collect())
    }

    /// Who claimed the key lately and was refused, the last one first, as far as the service remembers. For people who look: nothing
    /// can be decided by it.
    ///
    /// # Errors
    /// As those of a [look](lessor::StorageExt::get).
    pub async fn waiting(&self, key: &Key) -> Result<Vec<Waiter>, StorageError> {
        let Waiting { waiting } = self.lane.server().0.look(history::path(key, "waiting")).await?;
        Ok(waiting.into_iter().map(Waiter::from).collect())
    }

    /// How busy the way to the service is.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.lane.traffic()
    }
}

#[cfg_attr(not(target_family = "wasm"), async_trait)]
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
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
        let About { role } = self.lane.server().0.about().await?;
        match role.as_str() {
            "candidate" | "admin" => Ok(()),
            role => {
                let needed = format!("the token's role is {role:?}, needed is \"candidate\" or \"admin\"");
                Err(AdapterError::forbidden(needed).into())
            }
        }
    }
}

impl fmt::Debug for HttpStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStorage").field("url", &self.url).finish_non_exhaustive()
    }
}
