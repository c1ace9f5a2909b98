//! Writes that only the newest leader can do.

use lessor::{Fence, Term};
use lessor_kit::fence::{NotAdmitted, TABLE};
use rusqlite::{Transaction, params};

use crate::error::explain;

/// Admits a write of this term to the resource, within the write's own transaction: [`Fence::ADMIT`].
///
/// Call it first, and commit only what it admitted. It takes the database's write lock, which keeps a newer term
/// waiting until then; an older one is refused from then on, whatever its clock says and however long it was paused.
/// [`Fence::CREATE_TABLE`] creates the table, in the database that the write is for. The leases may be in another one,
/// or not in SQLite at all.
///
/// It waits for the write lock up to the connection's own busy timeout, and blocks the thread meanwhile, as all of
/// rusqlite does.
///
/// ```
/// use lessor::{Builder, Fence};
/// use lessor_sqlite::rusqlite::Connection;
/// use lessor_sqlite::{SqliteStorage, admit};
///
/// # smol::block_on(async {
/// # let storage = SqliteStorage::open(":memory:").await?;
/// # storage.migrate().await?;
/// # let (candidate, driver) = Builder::new("reports").build(storage)?;
/// # smol::spawn(driver.run()).detach();
/// # let leadership = candidate.elected().await?;
/// let mut reports = Connection::open_in_memory()?;
/// reports.execute_batch(Fence::CREATE_TABLE)?;
/// reports.execute_batch("CREATE TABLE report (body TEXT)")?;
///
/// let transaction = reports.transaction()?;
/// admit(&transaction, "reports", leadership.term())?;
/// transaction.execute("INSERT INTO report VALUES (?1)", ["all is well"])?;
/// transaction.commit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`NotAdmitted::Stale`] if a newer term was admitted, [`NotAdmitted::Failed`] if the fence could not be asked. Roll
/// the transaction back in both cases: dropping it does.
pub fn admit(transaction: &Transaction<'_>, resource: &str, term: Term) -> Result<(), NotAdmitted> {
    let failed =
        |error| NotAdmitted::Failed(explain(error, TABLE, "run lessor::Fence::CREATE_TABLE once to create it", None));
    let admitted = transaction.execute(Fence::ADMIT, params![resource, i64::from(term)]).map_err(failed)?;
    if admitted == 1 {
        return Ok(());
    }
    let newest = "SELECT term FROM lessor_fences WHERE resource = ?1";
    let newest = transaction.query_row(newest, [resource], |row| row.get(0)).map_err(failed)?;
    Err(NotAdmitted::stale(term, newest))
}
