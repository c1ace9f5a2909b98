//! A connection to one member.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use etcd_client::{Client, KvClient, WatchClient};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use lessor::StorageError;
use lessor_kit::link::{self, Connector, Line, patience};
use lessor_kit::timeout::{TimedOut, within};
use tokio::sync::watch;

use crate::cluster::{Cluster, User};
use crate::error::{Cause, Failure, auth_is_off, explain_opening, no_connection};

/// To one of the members.
pub(crate) type Connection = Line<Member>;

/// A way to one member, as this user.
pub(crate) struct Member {
    client: Client,
    kv: KvClient,
    watch: WatchClient,
    answers: AtomicU64,
    given_up: watch::Sender<bool>,
    login: Mutex<Login>,
    /// How many logins there had been when the last stream of watches began.
    stream: AtomicU64,
}

/// The tokens that it got after its first.
#[derive(Default)]
struct Login {
    count: u64,
    running: Option<Shared<BoxFuture<'static, Result<(), Failure>>>>,
}

impl Connector for Cluster {
    type Connection = Member;
    type Failure = Failure;

    fn servers(&self) -> usize {
        self.size()
    }

    /// Where there is a user it asks for its token. To be polled within the runtime.
    async fn connect(&self, place: usize) -> Result<Member, Failure> {
        let client = self.client(place).await.map_err(|error| explain_opening(self, error))?;
        if self.user.is_some() {
            log_in(client.clone(), self.clone()).await?;
        }
        // A page of a list may be larger than 4 MiB.
        let kv = client.kv_client().max_decoding_message_size(usize::MAX);
        let watch = client.watch_client().max_decoding_message_size(usize::MAX);
        Ok(Member {
            client,
            kv,
            watch,
            answers: AtomicU64::new(0),
            given_up: watch::Sender::new(false),
            login: Mutex::default(),
            stream: AtomicU64::new(0),
        })
    }

    fn late(&self, _: usize, late: TimedOut) -> Failure {
        no_connection(self, late)
    }

    fn is_of_one_server(failure: &Failure) -> bool {
        failure.cause == Cause::Unreached
    }

    fn error(failure: &Failure) -> &StorageError {
        &failure.error
    }
}

impl link::Connection for Member {
    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.given_up.send_replace(true);
    }
}

impl Member {
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

    /// When it is [given up](link::Connection::give_up): for a stream of watches, which begins with this.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stream.store(self.logins(), Ordering::Relaxed);
        let mut given_up = self.given_up.subscribe();
        async move {
            let _ = given_up.wait_for(|given_up| *given_up).await;
        }
    }

    /// Whether there is a stream that began with a token before the last one.
    pub(crate) fn has_old_streams(&self) -> bool {
        self.given_up.receiver_count() > 0 && self.stream.load(Ordering::Relaxed) < self.logins()
    }

    /// How often it got a new token.
    pub(crate) fn logins(&self) -> u64 {
        self.login().count
    }

    /// Gets a new token, unless somebody has since there were so `known` many. All who wait share one login, which any of them drives.
    pub(crate) async fn log_in(&self, cluster: &Cluster, known: u64) -> Result<(), Failure> {
        let running = {
            let mut login = self.login();
            if login.count != known {
                return Ok(());
            }
            let begin = || {
                let (limit, login) = (patience(cluster.size()), log_in(self.client.clone(), cluster.clone()));
                let cluster = cluster.clone();
                async move { within(limit, login).await.unwrap_or_else(|late| Err(no_connection(&cluster, late))) }
                    .boxed()
                    .shared()
            };
            login.running.get_or_insert_with(begin).clone()
        };
        let outcome = running.clone().await;
        let mut login = self.login();
        if login.running.take_if(|mine| mine.ptr_eq(&running)).is_some() && outcome.is_ok() {
            login.count += 1;
        }
        outcome
    }

    fn login(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for a token, which all clones of the client have then.
async fn log_in(mut client: Client, cluster: Cluster) -> Result<(), Failure> {
    let user = cluster.user.as_ref().map(|User { name, password }| (name.clone(), password.clone()));
    let without_user = match client.update_user(user).await {
        Ok(()) => return Ok(()),
        // As etcd's own client: a password is no reason not to work where none is asked for. A token from before would be.
        Err(error) if auth_is_off(&error) => client.update_user(None).await,
        Err(error) => Err(error),
    };
    without_user.map_err(|error| explain_opening(&cluster, error))
}
