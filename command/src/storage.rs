//! Where the leases are.

use std::sync::Arc;

use clap::Args;
use lessor::Storage;
use lessor_any::OpenError;

use crate::exit::Exit;

#[derive(Args, Clone, Debug)]
pub(crate) struct StorageArguments {
    /// Where the leases are: a file, postgres://user:password@host/database, mysql://.., redis://.., nats://.., etcd://.., s3://..,
    /// or a lease service: https://token@host. In the variable no other user of the machine sees the secret
    #[arg(long, short = 's', value_name = "URL", env = "LESSOR_STORAGE", hide_env_values = true)]
    pub(crate) storage: String,
}

impl StorageArguments {
    /// Opens it; what it needs is created if it is missing.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Storage>, Exit> {
        lessor_any::open(&self.storage).await.map_err(not_opened)
    }
}

pub(crate) fn not_opened(error: OpenError) -> Exit {
    match error {
        OpenError::Storage(error) => Exit::Storage(error.to_string()),
        error => Exit::Usage(format!("--storage is not allowed: {error}")),
    }
}
