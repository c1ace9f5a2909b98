use sqlx::PgConnection;

use super::error::explain;
use crate::fence::{Fence, Stale};
use crate::lease::Term;
use crate::storage::sql::{self, NotAdmitted};

/// Admits a write of this term to the resource, within the write's own transaction: [`Fence::ADMIT`].
///
/// Call it first, and commit only what it admitted. Its row lock keeps a newer term waiting until then, and an older
/// one is refused from then on, whatever its clock says and however long it was paused. [`Fence::CREATE_TABLE`] makes
/// the table.
///
/// ```no_run
/// use lessor::storage::postgres::{admit, sqlx};
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
/// [`NotAdmitted::Stale`] if a newer term was admitted. Then, and after a failure, roll the transaction back.
///
/// # Cancel safety
/// A dropped call leaves the transaction as it is: roll it back.
pub async fn admit(transaction: &mut PgConnection, resource: &str, term: Term) -> Result<(), NotAdmitted> {
    let failed = |error| NotAdmitted::Failed(explain(error, sql::FENCES));
    let admitted = sqlx::query(Fence::ADMIT).bind(resource).bind(i64::from(term)).execute(&mut *transaction);
    if admitted.await.map_err(failed)?.rows_affected() == 1 {
        return Ok(());
    }
    let newest = sqlx::query_scalar("SELECT term FROM lessor_fences WHERE resource = $1").bind(resource);
    let newest: i64 = newest.fetch_one(transaction).await.map_err(failed)?;
    let newest = u64::try_from(newest).ok().and_then(Term::new).unwrap_or(Term::LAST);
    Err(NotAdmitted::Stale(Stale { term, newest }))
}
