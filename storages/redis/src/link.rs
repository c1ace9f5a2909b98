//! The way to the server: what may be repeated is, once, where a connection turns out to be gone.

use core::ops::Deref;
use std::sync::Arc;

use lessor::StorageError;
use lessor::storage::Operation;
use lessor_kit::error::AdapterError;
use lessor_kit::link::{self, SilenceWatch};
use lessor_kit::repeat::Repeat;
use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};

use crate::connection::{Connection, Server};
use crate::error::explain;
use crate::scripts::Script;

/// The one connection of a storage: made when it is needed, and anew when it fails.
pub(crate) struct Link(link::Link<Server>);

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
        Self(link::Link::new(Server(client)))
    }

    /// Runs a script. `arguments` adds what follows its hash; it is given the `run_id` of the process that it goes to.
    pub(crate) async fn run(
        &self,
        repeat: Repeat,
        script: &Script,
        arguments: impl Fn(&mut Cmd, &str),
    ) -> Result<Value, StorageError> {
        let command = |form, run_id: &str| {
            let (name, script) = match form {
                Form::Short => ("EVALSHA", &script.hash),
                Form::Full => ("EVAL", &script.text),
            };
            let mut command = cmd(name);
            command.arg(script);
            arguments(&mut command, run_id);
            command
        };
        let answered = match repeat {
            Repeat::Anytime => self.ask(command).await?,
            _ => self.ask_once(command).await?,
        };
        Ok(answered.value)
    }

    /// Any other command: one that changes nothing.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Answered, StorageError> {
        self.ask(|_, _| command.clone()).await
    }

    async fn ask(&self, command: impl Fn(Form, &str) -> Cmd) -> Result<Answered, StorageError> {
        let known = self.0.current();
        let may_be_gone = known.is_some();
        let connection = match known {
            Some(connection) => connection,
            None => self.0.connection().await?,
        };
        match self.ask_on(connection, &command).await {
            Err(error) if may_be_gone && error.is_connection_dropped() => {
                self.ask_on(self.0.connection().await?, &command).await.map_err(explain)
            }
            answer => answer.map_err(explain),
        }
    }

    /// Asks where there was an answer just now: what is sent on a connection that is gone would be in doubt.
    async fn ask_once(&self, command: impl Fn(Form, &str) -> Cmd) -> Result<Answered, StorageError> {
        let connection = self.send(&cmd("PING")).await?.connection;
        let answer = self.ask_on(connection, &command).await;
        answer.map_err(|error| match error.is_connection_dropped() {
            true => AdapterError::in_doubt(Operation::Revoke, error).into(),
            false => explain(error),
        })
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
        let silence = SilenceWatch::new(&self.0, connection);
        let answer = connection.exchange(command).await;
        silence.ends();
        if let Err(error) = &answer {
            // A primary that became a replica, or one of a cluster: its name may lead to the new one by now.
            let is_elsewhere =
                matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::Moved));
            if is_elsewhere || error.is_unrecoverable_error() {
                self.0.leave(connection, Some(&explain(error.clone())));
            }
        }
        answer
    }
}

impl Deref for Link {
    type Target = link::Link<Server>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
