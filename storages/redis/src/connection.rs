//! An open connection to one server process.

use core::sync::atomic::{AtomicU64, Ordering};

use futures::future::try_join;
use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_kit::listener::PATIENCE;
use lessor_kit::timeout::within;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, RedisError, Value, cmd};

use crate::error::{REPLICA, explain_first};

/// A connection, and which server process is at its other end.
pub(crate) struct Connection {
    driver: MultiplexedConnection,
    run_id: String,
    answers: AtomicU64,
}

impl Connection {
    /// Connects, and asks the server who it is.
    ///
    /// # Errors
    /// The server cannot be reached, or is a replica.
    pub(crate) async fn open(client: &Client) -> Result<Self, StorageError> {
        // Nobody's timeout but the caller's: a storage is told how long to try.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(PATIENCE));
        // Host and port: nothing of it is secret.
        let address = client.get_connection_info().addr();
        let driver = client.get_multiplexed_async_connection_with_config(&config).await;
        let driver = driver.map_err(|error| explain_first(address, error))?;
        // Others wait for this one: its wait has to end.
        let run_id = within(PATIENCE, run_id_of_primary(&driver, address)).await??;
        Ok(Self { driver, run_id, answers: AtomicU64::new(0) })
    }

    /// Of the server process: another one may not know what this one granted.
    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// How many answers came, to whomever.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
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
