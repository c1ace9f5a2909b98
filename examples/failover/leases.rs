//! Where the leases are: in the file that the processes share, or in the storage that a URL names.

use std::path::Path;
use std::sync::Arc;

use lessor::Storage;

use crate::Result;

pub(crate) const DATABASE: &str = "leases.db";

/// One way for all: what is campaigned for does not depend on where the leases are.
pub(crate) async fn open(url: Option<&str>, folder: &Path) -> Result<Arc<dyn Storage>> {
    match url {
        Some(url) => Ok(lessor_any::open(url).await?),
        None => Ok(lessor_any::open(&folder.join(DATABASE).to_string_lossy()).await?),
    }
}

/// A storage keeps what there was: each demonstration has a key of its own there.
pub(crate) fn key(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
