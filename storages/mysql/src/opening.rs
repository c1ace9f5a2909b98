//! A connection: opened, and its session made fit for the statements.

use lessor::StorageError;
use lessor_kit::version::usable;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Row};

use crate::address::Link;
use crate::error::{explain_opening, replica};
use crate::server::Primary;
use crate::statement::list;
use crate::table::Table;

/// What a session needs beside what it [begins with](crate::address::SET_UP): answers that are whole, statements that
/// are neither refused nor cut short, and hours in which it may be idle. What stands between `/*M!` and `*/` is MariaDB's,
/// the other MySQL's.
pub(crate) const LIMITS: &str = "\
SET sql_select_limit = 18446744073709551615, sql_safe_updates = 0, sql_big_selects = 1,
    wait_timeout = GREATEST(@@wait_timeout, 28800)
    /*M!100101 , max_statement_time = 0 */ /*!50708 , max_execution_time = 0 */";

/// What the table says of its version, and whether the server takes no writes, as a replica is set: one of Amazon's Aurora by
/// the second of these. The values may be numbers or words.
const NOTE: &str = "\
SELECT (
    SELECT CAST(table_comment AS BINARY) FROM information_schema.tables WHERE {found}
) AS note,
    CAST(@@global.read_only AS CHAR) NOT IN ('0', 'OFF') OR CAST(@@global.innodb_read_only AS CHAR) NOT IN ('0', 'OFF')
    AS is_replica";

impl Primary {
    /// As it comes.
    pub(crate) async fn reach(&self) -> Result<Link, StorageError> {
        self.door.open().await.map_err(|error| explain_opening(error, &self.door.options()))
    }

    /// With a session in which every statement means what it should, on a primary, and a table that this version may use.
    pub(crate) async fn open(&self) -> Result<Link, StorageError> {
        let mut link = self.reach().await?;
        let begin = format!("{LIMITS};\n{}", NOTE.replace("{found}", &self.table.found()));
        let explain = |error| self.explain(error);
        let begun = sqlx::raw_sql(AssertSqlSafe(begin)).fetch_one(&mut link.connection).await.map_err(explain)?;
        if begun.try_get_unchecked::<i64, _>("is_replica").map_err(explain)? != 0 {
            return Err(replica().into());
        }
        usable(&self.table.quoted(), note(&begun))?;
        Ok(link)
    }
}

/// The table's comment, as far as it is one.
pub(crate) fn note(row: &MySqlRow) -> Option<&str> {
    row.try_get_unchecked("note").ok().flatten()
}

impl Table {
    /// A condition on `information_schema.tables`.
    pub(crate) fn found(&self) -> String {
        let text = |text: &str| format!("CONVERT({} USING utf8mb4)", list([text]));
        let database = self.database().map_or_else(|| "DATABASE()".into(), text);
        format!("table_schema = {database} AND table_name = {}", text(self.name()))
    }
}
