//! Where the leases are: in the file that the processes share, or with a lease service.

use std::path::Path;
use std::sync::Arc;

use lessor::{HttpStorage, SqliteStorage, Storage};

use crate::Result;

pub(crate) const DATABASE: &str = "leases.db";

/// The variable that the token of a lease service is read from.
pub(crate) const TOKEN: &str = "LESSOR_TOKEN";

/// One way for all: what is campaigned for does not depend on where the leases are.
pub(crate) async fn open(url: Option<&str>, folder: &Path) -> Result<Arc<dyn Storage>> {
    let Some(url) = url else {
        let storage = SqliteStorage::open(folder.join(DATABASE)).await?;
        storage.migrate().await?;
        return Ok(Arc::new(storage));
    };
    let token = std::env::var(TOKEN).map_err(|_| format!("{TOKEN} is not set: a lease service asks for a token"))?;
    let storage = HttpStorage::builder(url).token(token).build()?;
    storage.check().await?;
    Ok(Arc::new(storage))
}

/// A service keeps what there was: each demonstration has a key of its own there.
pub(crate) fn key(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
