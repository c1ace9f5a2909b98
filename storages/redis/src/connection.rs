//! An open connection to one server process.

use core::sync::atomic::{AtomicU64, Ordering};

use futures::future::try_join;
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_kit::link::{self, Connector, Line};
use lessor_kit::timeout::TimedOut;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, RedisError, Value, cmd};

use crate::error::{REPLICA, explain_first, no_connection};

/// The one server, as this client reaches it.
pub(crate) struct Server(pub(crate) Client);

/// To one server process.
pub(crate) type Connection = Line<Process>;

/// A connection, and which server process is at its other end.
pub(crate) struct Process {
    driver: MultiplexedConnection,
    run_id: String,
    answers: AtomicU64,
}

impl Connector for Server {
    type Connection = Process;
    type Failure = StorageError;

    fn servers(&self) -> usize {
        1
    }

    /// Connects, and asks the server who it is. It has to be a primary.
    async fn connect(&self, _: usize) -> Result<Process, StorageError> {
        // Nobody's timeout but the link's and the caller's: a storage is told how long to try.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        // Host and port: nothing of it is secret.
        let address = self.0.get_connection_info().addr();
        let driver = self.0.get_multiplexed_async_connection_with_config(&config).await;
        let driver = driver.map_err(|error| explain_first(address, error))?;
        let run_id = run_id_of_primary(&driver, address).await?;
        // It has said who it is.
        Ok(Process { driver, run_id, answers: AtomicU64::new(1) })
    }

    fn late(&self, _: usize, late: TimedOut) -> StorageError {
        no_connection(self.0.get_connection_info().addr(), late)
    }

    fn is_of_one_server(failure: &StorageError) -> bool {
        failure.kind() == ErrorKind::Transient
    }

    fn error(failure: &StorageError) -> &StorageError {
        failure
    }
}

impl link::Connection for Process {
    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

impl Process {
    /// Of the server process: another one may not know what this one granted.
    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Sends a command and waits for the answer. What is asked at the same time follows without a pause.
    pub(crate) async fn exchange(&self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = command.query_async(&mut self.driver.clone()).await;
        if !answer.as_ref().is_err_and(RedisError::is_unrecoverable_error) {
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

/// Which process it is, if it is a primary.
async fn run_id_of_primary(driver: &MultiplexedConnection, address: &ConnectionAddr) -> Result<String, StorageError> {
    let [mut one, mut other] = [driver.clone(), driver.clone()];
    let [mut server, mut replication] = [cmd("INFO"), cmd("INFO")];
    server.arg("server");
    replication.arg("replication");
    let asked = try_join(server.query_async(&mut one), replication.query_async(&mut other));
    let (server, replication): (String, String) = asked.await.map_err(|error| explain_first(address, error))?;
    if info_field(&replication, "role") == Some("slave") {
        return Err(REPLICA.into());
    }
    match info_field(&server, "run_id") {
        Some(run_id) if !run_id.is_empty() => Ok(run_id.to_string()),
        _ => {
            let problem = "a loss of data would go unnoticed";
            let remedy = "connect to a server, or through a proxy, whose INFO shows it";
            Err(AdapterError::wrong_setup("run_id", "missing", problem, remedy).into())
        }
    }
}

/// A field of what `INFO` answers.
pub(crate) fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let info = "# Server\r\nrun_id_of_old:x\r\nrun_id:0123\r\nrole:\r\n";
        assert_eq!(info_field(info, "run_id"), Some("0123"));
        assert_eq!(info_field(info, "role"), Some(""));
        assert_eq!(info_field(info, "port"), None);
    }
}
