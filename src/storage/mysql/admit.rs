use sqlx::MySqlConnection;

use super::error::explain;
use crate::fence::{Fence, Stale};
use crate::lease::Term;
use crate::storage::sql::{self, NotAdmitted};

/// Admits a write of this term to the resource, within the write's own transaction: [`Fence::MYSQL_ADMIT`] and
/// [`Fence::MYSQL_NEWEST`].
///
/// Call it first, and commit only what it admitted. Its row lock keeps a newer term waiting until then, and an older
/// one is refused from then on, whatever its clock says and however long it was paused. [`Fence::MYSQL_CREATE_TABLE`]
/// makes the table. A resource's name has at most 255 bytes.
///
/// ```no_run
/// use lessor::storage::mysql::{admit, sqlx};
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
/// [`NotAdmitted::Stale`] if a newer term was admitted. Then, and after a failure, roll the transaction back.
///
/// # Cancel safety
/// A dropped call leaves the transaction as it is: roll it back.
pub async fn admit(transaction: &mut MySqlConnection, resource: &str, term: Term) -> Result<(), NotAdmitted> {
    let failed = |error| NotAdmitted::Failed(explain(error, sql::FENCES));
    let (resource, given) = (resource.as_bytes(), i64::from(term));
    let noted = sqlx::query(Fence::MYSQL_ADMIT).bind(resource).bind(given).bind(given);
    noted.execute(&mut *transaction).await.map_err(failed)?;
    let newest = sqlx::query_scalar(Fence::MYSQL_NEWEST).bind(resource);
    let newest: i64 = newest.fetch_one(transaction).await.map_err(failed)?;
    if newest == given {
        return Ok(());
    }
    let newest = u64::try_from(newest).ok().and_then(Term::new).unwrap_or(Term::LAST);
    Err(NotAdmitted::Stale(Stale { term, newest }))
}
