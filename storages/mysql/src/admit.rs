//! Writes that only the newest leader can do.

use lessor::{Fence, StorageError, Term};
use lessor_kit::error::AdapterError;
use lessor_kit::fence::{NotAdmitted, TABLE};
use sqlx::MySqlConnection;

use crate::error::explain;
use crate::fences::REMEDY;

/// Admits a write of this term to the resource, within the write's own transaction: [`Fence::MYSQL_ADMIT`], then
/// [`Fence::MYSQL_NEWEST`].
///
/// Call it first, and commit only what it admitted. Its row lock keeps a newer term waiting until then, and an older
/// one is refused from then on, whatever its clock says and however long it was paused.
/// [`migrate_fences`](crate::MySqlStorage::migrate_fences) creates the table. A resource's name has at most 255 bytes.
///
/// ```no_run
/// use lessor_mysql::{admit, sqlx};
///
/// # async fn example(pool: sqlx::MySqlPool, leadership: lessor::Leadership, body: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let mut transaction = pool.begin().await?;
/// admit(&mut transaction, "reports", leadership.term()).await?;
/// sqlx::query("UPDATE report SET body = ?").bind(body).execute(&mut *transaction).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`NotAdmitted::Stale`] if a newer term was admitted, [`NotAdmitted::Failed`] if the fence could not be asked. Roll
/// the transaction back in both cases.
///
/// # Cancel safety
/// A dropped call leaves the transaction as it is: roll it back.
pub async fn admit(transaction: &mut MySqlConnection, resource: &str, term: Term) -> Result<(), NotAdmitted> {
    let failed = |error| -> StorageError { explain(error, TABLE, REMEDY) };
    let (resource, given) = (resource.as_bytes(), i64::from(term));
    let noted = sqlx::query(Fence::MYSQL_ADMIT).bind(resource).bind(given).bind(given);
    noted.execute(&mut *transaction).await.map_err(failed)?;
    let newest = sqlx::query_scalar(Fence::MYSQL_NEWEST).bind(resource).fetch_optional(transaction);
    match newest.await.map_err(failed)? {
        Some(newest) if newest == given => Ok(()),
        Some(newest) => Err(NotAdmitted::stale(term, newest)),
        // It was noted a moment ago.
        None => Err(StorageError::from(AdapterError::Unfit).into()),
    }
}
