//! Fenced writes.

use lessor::{Fence, Term};
use lessor_kit::fence::{NotAdmitted, TABLE};
use sqlx::PgConnection;

use crate::error::explain;
use crate::fences::REMEDY;

/// Admits a write of this term to the resource, within the write's own transaction: [`Fence::ADMIT`].
///
/// Call it first, and commit only what it admitted. Its row lock keeps a newer term waiting until then, and an older
/// one is refused from then on, whatever its clock says and however long it was paused.
/// [`migrate_fences`](crate::PostgresStorage::migrate_fences) creates the table.
///
/// ```no_run
/// use lessor_postgres::{admit, sqlx};
///
/// # async fn example(pool: sqlx::PgPool, leadership: lessor::Leadership, body: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let mut transaction = pool.begin().await?;
/// admit(&mut transaction, "reports", leadership.term()).await?;
/// sqlx::query("UPDATE report SET body = $1").bind(body).execute(&mut *transaction).await?;
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
pub async fn admit(transaction: &mut PgConnection, resource: &str, term: Term) -> Result<(), NotAdmitted> {
    let failed = |error| NotAdmitted::Failed(explain(error, TABLE, REMEDY));
    let admitted = sqlx::query(Fence::ADMIT).bind(resource).bind(i64::from(term)).execute(&mut *transaction);
    if admitted.await.map_err(failed)?.rows_affected() == 1 {
        return Ok(());
    }
    let newest = sqlx::query_scalar("SELECT term FROM lessor_fences WHERE resource = $1").bind(resource);
    Err(NotAdmitted::stale(term, newest.fetch_one(transaction).await.map_err(failed)?))
}
