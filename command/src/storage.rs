//! Where the leases are.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use lessor::{Storage, StorageError};
use lessor_any::OpenError;
use tokio::time::timeout;

use crate::duration;
use crate::exit::Exit;

#[derive(Args, Clone, Debug)]
pub(crate) struct StorageArguments {
    /// Where the leases are: a file, postgres://user:password@host/database, mysql://.., redis://.., nats://.., etcd://.., s3://..,
    /// or a lease service: https://token@host, or https://host?token_file=FILE; with cacert=FILE and headers_file=FILE, if it needs them. In the variable no other user of the machine sees the secret
    #[arg(long, short, value_name = "URL", env = "LESSOR_STORAGE", hide_env_values = true)]
    pub(crate) storage: String,
}

impl StorageArguments {
    /// Opens it; what it needs is created if it is missing.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Storage>, Exit> {
        lessor_any::open(&self.storage).await.map_err(not_opened)
    }
}

/// For commands that ask once, and whose user waits.
#[derive(Args, Clone, Debug)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) storage: StorageArguments,
    /// How long to wait for an answer of the storage
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
}

impl Asked {
    /// Names the storage. Nothing is created.
    pub(crate) async fn connect(&self) -> Result<Asking, Exit> {
        let storage = self.within(lessor_any::connect(&self.storage.storage)).await?.map_err(not_opened)?;
        Ok(Asking { storage, asked: self.clone() })
    }

    /// What comes of it in time.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = T>) -> Result<T, Exit> {
        let late = |_| Exit::Storage(format!("it did not answer within {}", duration::shown(self.timeout)));
        timeout(self.timeout, answer).await.map_err(late)
    }
}

/// A storage that is asked, each time for so long.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) storage: Arc<dyn Storage>,
    asked: Asked,
}

impl Asking {
    /// Whether each term is the last one and one. On Redis it is one of its clock's milliseconds.
    pub(crate) fn counts_terms(&self) -> bool {
        lessor_any::engine(&self.asked.storage.storage).is_ok_and(|engine| engine != "redis")
    }

    pub(crate) async fn ask<T>(&self, answer: impl Future<Output = Result<T, StorageError>>) -> Result<T, Exit> {
        self.asked.within(answer).await?.map_err(failed)
    }
}

pub(crate) fn failed(error: StorageError) -> Exit {
    Exit::Storage(error.to_string())
}

pub(crate) fn not_opened(error: OpenError) -> Exit {
    match error {
        OpenError::Storage(error) => failed(error),
        error => Exit::Usage(format!("--storage is not allowed: {error}")),
    }
}
