//! The one connection of a storage: made when it is needed, and anew when it fails.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};
use async_io::Timer;
use futures::future::{Either, select, try_join};
use futures::lock::Mutex as AsyncMutex;

use super::error::{NotReady, explain};
use super::scripts::Script;
use crate::lock::Mutex;
use crate::storage::StorageError;

/// How long it may take to connect. Whoever asks gives up sooner.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Link {
    client: Client,
    current: Mutex<Option<Arc<Open>>>,
    /// One connects for all who wait.
    connecting: AsyncMutex<()>,
}

/// An open connection to one server process.
pub(super) struct Open {
    connection: MultiplexedConnection,
    /// Which process: another one may not know what this one granted.
    run_id: String,
    answers: AtomicU64,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, current: Mutex::new(None), connecting: AsyncMutex::new(()) }
    }

    /// Runs a script; what follows its hash is made for the server process that it goes to.
    ///
    /// Every operation may be repeated. A connection that turns out to be gone is replaced once, at once.
    pub(super) async fn run(&self, script: &Script, arguments: impl Fn(&mut Cmd, &str)) -> Result<Value, StorageError> {
        self.ask(|command, run_id| match command {
            Attempt::First => {
                let mut evalsha = cmd("EVALSHA");
                evalsha.arg(&script.hash);
                arguments(&mut evalsha, run_id);
                evalsha
            }
            Attempt::Unknown => {
                let mut eval = cmd("EVAL");
                eval.arg(&script.text);
                arguments(&mut eval, run_id);
                eval
            }
        })
        .await
    }

    /// Any other command.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, StorageError> {
        self.ask(|_, _| command.clone()).await
    }

    async fn ask(&self, command: impl Fn(Attempt, &str) -> Cmd) -> Result<Value, StorageError> {
        let known = self.current.lock().clone();
        let may_be_gone = known.is_some();
        let open = match known {
            Some(open) => open,
            None => self.connect().await?,
        };
        match self.try_on(&open, &command).await {
            Err(error) if may_be_gone && error.is_connection_dropped() => {
                let open = self.connect().await?;
                self.try_on(&open, &command).await.map_err(explain)
            }
            answer => answer.map_err(explain),
        }
    }

    async fn try_on(&self, open: &Arc<Open>, command: &impl Fn(Attempt, &str) -> Cmd) -> Result<Value, RedisError> {
        match self.exchange(open, &command(Attempt::First, &open.run_id)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.exchange(open, &command(Attempt::Unknown, &open.run_id)).await
            }
            answer => answer,
        }
    }

    async fn exchange(&self, open: &Arc<Open>, command: &Cmd) -> Result<Value, RedisError> {
        let waiting = Waiting { link: self, open, answers: open.answers.load(Ordering::Relaxed) };
        let answer = command.query_async::<Value>(&mut open.connection.clone()).await;
        let replace = answer.as_ref().is_err_and(|error| {
            // A primary that became a replica: its name may lead to the new one by now.
            error.is_unrecoverable_error() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        });
        if replace {
            self.forget(open);
        } else {
            open.answers.fetch_add(1, Ordering::Relaxed);
        }
        drop(waiting);
        answer
    }

    /// The next operation connects anew.
    fn forget(&self, open: &Arc<Open>) {
        self.current.lock().take_if(|current| Arc::ptr_eq(current, open));
    }

    async fn connect(&self) -> Result<Arc<Open>, StorageError> {
        let _one = self.connecting.lock().await;
        if let Some(open) = self.current.lock().clone() {
            return Ok(open);
        }
        // Nobody's timeout but the caller's: a storage is told how long to try.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(PATIENCE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(explain)?;
        let mut other = connection.clone();
        // Others wait for this one: it must not wait for ever.
        let run_id = match select(pin!(introduce(&mut other)), Timer::after(PATIENCE)).await {
            Either::Left((run_id, _)) => run_id?,
            Either::Right(_) => return Err(StorageError::timed_out(PATIENCE)),
        };
        let open = Arc::new(Open { connection, run_id, answers: AtomicU64::new(0) });
        *self.current.lock() = Some(open.clone());
        Ok(open)
    }
}

#[derive(Clone, Copy)]
enum Attempt {
    First,
    /// The server does not know the script.
    Unknown,
}

/// Whoever stops waiting while nothing at all comes leaves the connection to nobody else: it may be dead without a sign.
struct Waiting<'a> {
    link: &'a Link,
    open: &'a Arc<Open>,
    answers: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.open.answers.load(Ordering::Relaxed) == self.answers {
            self.link.forget(self.open);
        }
    }
}

/// Which process of which role it is.
async fn introduce(connection: &mut MultiplexedConnection) -> Result<String, StorageError> {
    let mut other = connection.clone();
    let [mut server, mut replication] = [cmd("INFO"), cmd("INFO")];
    server.arg("server");
    replication.arg("replication");
    let asked = try_join(server.query_async(connection), replication.query_async(&mut other));
    let (server, replication): (String, String) = asked.await.map_err(explain)?;
    if field(&replication, "role") == Some("slave") {
        return Err(StorageError::permanent(NotReady::ReadOnly));
    }
    let run_id = field(&server, "run_id").filter(|run_id| !run_id.is_empty());
    run_id.map(ToString::to_string).ok_or_else(|| StorageError::permanent(NotReady::NoRunId))
}

/// A field of what `INFO` answers.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}
