//! The table of fences.

use lessor::{Fence, StorageError};
use lessor_kit::fence::TABLE;

use crate::error::explain;
use crate::setup::{close, run};
use crate::storage::MySqlStorage;

/// How to create the table.
pub(crate) const REMEDY: &str = "call MySqlStorage::migrate_fences() once to create it";

impl MySqlStorage {
    /// Creates the table that [`admit`](crate::admit) needs, if it is missing: [`Fence::MYSQL_CREATE_TABLE`]. Any number
    /// of processes may do that at any time.
    ///
    /// It is `lessor_fences`, in the database that this storage's address names, since `admit` names none. Where the
    /// table is there it needs no right to create anything. (That statement alone does.) What is to be fenced may be in
    /// another database: then run that statement there.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create it, transient if the server says nothing for ten seconds.
    ///
    /// # Cancel safety
    /// What a dropped call has begun may still be created.
    pub async fn migrate_fences(&self) -> Result<(), StorageError> {
        let explain = |error| explain(error, TABLE, REMEDY);
        let (mut connection, found) = self.primary().find(TABLE).await?;
        let created = match found {
            Ok(false) => run(&mut connection, Fence::MYSQL_CREATE_TABLE.into()).await,
            found => found.map(drop),
        };
        close(connection).await;
        created.map_err(explain)
    }
}
