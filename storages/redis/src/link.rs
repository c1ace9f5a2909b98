//! The one connection of a storage: made when it is needed, and anew when it fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::lock::Mutex as AsyncMutex;
use lessor::StorageError;
use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};

use crate::connection::Connection;
use crate::error::explain;
use crate::scripts::Script;

/// The way to the server. Every operation may be repeated, so a connection that turns out to be gone is replaced once, at
/// once.
pub(crate) struct Link {
    client: Client,
    current: Mutex<Option<Arc<Connection>>>,
    /// One connects for all who wait.
    connecting: AsyncMutex<()>,
}

/// What the server answered, and on which connection.
pub(crate) struct Answered {
    pub(crate) value: Value,
    pub(crate) connection: Arc<Connection>,
}

/// How a script is asked for.
#[derive(Clone, Copy)]
enum Form {
    /// By its hash.
    Short,
    /// With its text: the server does not know the hash, since it was restarted, or told to forget.
    Full,
}

impl Link {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, current: Mutex::new(None), connecting: AsyncMutex::new(()) }
    }

    /// Runs a script. `arguments` adds what follows its hash; it is given the `run_id` of the process that it goes to.
    pub(crate) async fn run(&self, script: &Script, arguments: impl Fn(&mut Cmd, &str)) -> Result<Value, StorageError> {
        let answered = self.ask(|form, run_id| {
            let (name, script) = match form {
                Form::Short => ("EVALSHA", &script.hash),
                Form::Full => ("EVAL", &script.text),
            };
            let mut command = cmd(name);
            command.arg(script);
            arguments(&mut command, run_id);
            command
        });
        Ok(answered.await?.value)
    }

    /// Any other command.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Answered, StorageError> {
        self.ask(|_, _| command.clone()).await
    }

    async fn ask(&self, command: impl Fn(Form, &str) -> Cmd) -> Result<Answered, StorageError> {
        let known = self.current().clone();
        let may_be_gone = known.is_some();
        let connection = match known {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match self.ask_on(connection, &command).await {
            Err(error) if may_be_gone && error.is_connection_dropped() => {
                self.ask_on(self.connect().await?, &command).await.map_err(explain)
            }
            answer => answer.map_err(explain),
        }
    }

    async fn ask_on(
        &self,
        connection: Arc<Connection>,
        command: &impl Fn(Form, &str) -> Cmd,
    ) -> Result<Answered, RedisError> {
        let value = match self.exchange(&connection, &command(Form::Short, connection.run_id())).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.exchange(&connection, &command(Form::Full, connection.run_id())).await?
            }
            answer => answer?,
        };
        Ok(Answered { value, connection })
    }

    async fn exchange(&self, connection: &Arc<Connection>, command: &Cmd) -> Result<Value, RedisError> {
        let answer = {
            let _watch = SilenceWatch { link: self, connection, answers: connection.answers() };
            connection.exchange(command).await
        };
        let replace = answer.as_ref().is_err_and(|error| {
            // A primary that became a replica, or one of a cluster: its name may lead to the new one by now.
            error.is_unrecoverable_error()
                || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::Moved))
        });
        if replace {
            self.forget(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<Arc<Connection>, StorageError> {
        let _one = self.connecting.lock().await;
        if let Some(connection) = self.current().clone() {
            return Ok(connection);
        }
        let connection = Arc::new(Connection::open(&self.client).await?);
        *self.current() = Some(connection.clone());
        Ok(connection)
    }

    /// The next operation connects anew.
    fn forget(&self, connection: &Arc<Connection>) {
        self.current().take_if(|current| Arc::ptr_eq(current, connection));
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a connection up that has been silent for as long as somebody was willing to wait.
///
/// It lives while an answer is awaited, and is dropped with that wait. If nothing came on the connection meanwhile, to
/// nobody, it may be dead without a sign: then the next operation makes a new one. If others got answers it lives, and
/// whoever gave up gave up alone.
struct SilenceWatch<'a> {
    link: &'a Link,
    connection: &'a Arc<Connection>,
    /// How many had come when the wait began.
    answers: u64,
}

impl Drop for SilenceWatch<'_> {
    fn drop(&mut self) {
        if self.connection.answers() == self.answers {
            self.link.forget(self.connection);
        }
    }
}
