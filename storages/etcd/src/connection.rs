//! A connection to one member.

use core::sync::atomic::{AtomicU64, Ordering};

use etcd_client::{KvClient, WatchClient};
use lessor_kit::listener::PATIENCE;
use lessor_kit::timeout::within;
use tokio::sync::watch;

use crate::cluster::{Cluster, User};
use crate::error::{Failure, auth_is_off, explain_opening};

/// A way to one member, as this user.
pub(crate) struct Connection {
    /// Of the endpoint.
    pub(crate) place: usize,
    kv: KvClient,
    watch: WatchClient,
    answers: AtomicU64,
    given_up: watch::Sender<bool>,
}

impl Connection {
    /// Where there is a user it asks for its token; else nothing is sent yet. To be called within the runtime.
    ///
    /// # Errors
    /// The member cannot be reached, or lets this user not in.
    pub(crate) async fn open(cluster: &Cluster, place: usize) -> Result<Self, Failure> {
        let mut client = cluster.client(place).await.map_err(|error| explain_opening(cluster, error))?;
        if let Some(User { name, password }) = &cluster.user {
            // Others wait for this one: its wait has to end.
            let asked = within(PATIENCE, client.update_user(Some((name.clone(), password.clone())))).await;
            match asked.map_err(Failure::silent)? {
                // As etcd's own client: a password is no reason not to work where none is asked for.
                Err(error) if !auth_is_off(&error) => return Err(explain_opening(cluster, error)),
                _ => {}
            }
        }
        // A page of a list may be larger than 4 MiB.
        let kv = client.kv_client().max_decoding_message_size(usize::MAX);
        let watch = client.watch_client().max_decoding_message_size(usize::MAX);
        Ok(Self { place, kv, watch, answers: AtomicU64::new(0), given_up: watch::Sender::new(false) })
    }

    pub(crate) fn kv(&self) -> KvClient {
        self.kv.clone()
    }

    pub(crate) fn watcher(&self) -> WatchClient {
        self.watch.clone()
    }

    /// How many answers came, to whomever.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The other side lives.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// It is used no more: what lasts on it has to go to another.
    pub(crate) fn give_up(&self) {
        self.given_up.send_replace(true);
    }

    /// When it is [given up](Self::give_up).
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut given_up = self.given_up.subscribe();
        async move {
            let _ = given_up.wait_for(|given_up| *given_up).await;
        }
    }
}
