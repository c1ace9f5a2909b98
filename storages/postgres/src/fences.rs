//! The table of fences.

use lessor::{Fence, StorageError};
use lessor_kit::fence::TABLE;
use lessor_kit::timeout::{self, within};

use crate::error::explain;
use crate::setup::create_alone;
use crate::storage::PostgresStorage;

/// How to create the table.
pub(crate) const REMEDY: &str = "call PostgresStorage::migrate_fences() once to create it";

impl PostgresStorage {
    /// Creates the table that [`admit`](crate::admit) needs, if it is missing: [`Fence::CREATE_TABLE`]. Any number of
    /// processes may do that at any time. (That statement alone fails in some of them where several run it at once.)
    ///
    /// It is `lessor_fences`, in the database that this storage connects to, and there wherever the `search_path` of
    /// its user leads, since `admit` names no schema. Where the table is there it needs no right to create anything.
    /// What is to be fenced may be in another database: then run that statement there.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create it, transient if the server says nothing for ten seconds.
    ///
    /// # Cancel safety
    /// A dropped call creates the table or nothing.
    pub async fn migrate_fences(&self) -> Result<(), StorageError> {
        let explain = |error| explain(error, TABLE, REMEDY);
        let look = sqlx::query_as("SELECT to_regclass($1) IS NOT NULL, current_schema()::text");
        let begun = async {
            let mut connection = self.primary().reach().await?;
            let found: (bool, Option<String>) = look.bind(TABLE).fetch_one(&mut connection).await.map_err(explain)?;
            Ok::<_, StorageError>((connection, found))
        };
        let (mut connection, (is_there, schema)) = within(timeout::CHECK, begun).await??;
        if is_there {
            return Ok(());
        }
        let what = format!("{}.{TABLE}", schema.unwrap_or_default());
        create_alone(&mut connection, &what, [Fence::CREATE_TABLE.into()]).await.map_err(explain)
    }
}
