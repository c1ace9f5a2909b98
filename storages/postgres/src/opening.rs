//! A connection: opened, and its session made fit for the statements.

use core::time::Duration;

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_kit::version::usable;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use crate::error::{explain_opening, replica};
use crate::server::Primary;
use crate::table::{Table, literal};

/// How much longer than a lock a statement may take, whatever the user's `statement_timeout` says.
const BEYOND_LOCKS: Duration = Duration::from_secs(5);

/// Whatever the server, the database or the user is set to; and what the table says of its version.
///
/// Nothing is set where a pooler keeps settings away (then the storage's own are missing): it would hand the session on
/// to others.
const BEGIN: &str = "\
SELECT (
    SELECT pg_catalog.obj_description(c.oid, 'pg_class')
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {name}
) AS note, pg_catalog.pg_is_in_recovery() AS is_replica, CASE WHEN {is_set} THEN {set} END AS settings";

/// Whether the storage's own settings have reached the server.
const IS_SET: &str = "concat(setting('enable_seqscan'), setting('enable_hashjoin'), setting('enable_mergejoin'), setting('enable_material'))
    = 'offoffoffoff'";

/// Each is set where it is not as it has to be.
const SET: &str = "concat(
    set('search_path', concat_ws(', ', 'pg_catalog', nullif(setting('search_path'), '')), false),
    set('default_transaction_isolation', 'read committed', false),
    CASE WHEN setting('synchronous_commit') IN ('off', 'local') THEN set('synchronous_commit', 'on', false) END,
    CASE WHEN setting('statement_timeout')::interval BETWEEN '1 ms' AND {limit} THEN set('statement_timeout', {limit}, false) END,
    CASE WHEN setting('transaction_timeout', true)::interval BETWEEN '1 ms' AND {limit}
        THEN set('transaction_timeout', {limit}, false) END,
    CASE WHEN setting('idle_session_timeout', true) <> '0' THEN set('idle_session_timeout', '0', false) END
)";

impl Primary {
    /// As it comes, with the limit for locks.
    pub(crate) async fn reach(&self) -> Result<PgConnection, StorageError> {
        self.door.open().await.map_err(|error| explain_opening(error, &self.address.options()))
    }

    /// With a session in which every statement means what it should, on a primary, and a table that this version may use.
    pub(crate) async fn open(&self) -> Result<PgConnection, StorageError> {
        let mut connection = self.reach().await?;
        let explain = |error| self.explain(error);
        let begun = begin(&self.table, self.lock_timeout + BEYOND_LOCKS);
        let begun: PgRow = sqlx::raw_sql(AssertSqlSafe(begun)).fetch_one(&mut connection).await.map_err(explain)?;
        if begun.try_get("is_replica").map_err(explain)? {
            return Err(replica().into());
        }
        let note: Option<&str> = begun.try_get("note").map_err(explain)?;
        usable(&self.table.quoted(), note)?;
        let settings: Option<&str> = begun.try_get("settings").map_err(explain)?;
        if settings.is_none() && self.freeze.is_some() {
            return Err(may_lead_elsewhere().into());
        }
        self.note_timeline(&mut connection).await?;
        Ok(connection)
    }
}

/// A server's timeline is noted when a connection is opened. A pooler may go on with another server on the same one.
fn may_lead_elsewhere() -> AdapterError {
    AdapterError::wrong_setup(
        "asynchronous_standbys",
        "on",
        "a connection pooler that passes no settings on stands before the server: after a failover it may lead to another one \
         unnoticed",
        "name the server itself, or have the standby confirm (synchronous_standby_names) and do without asynchronous_standbys",
    )
}

/// Functions are named in full: a `search_path` may lead to others.
fn begin(table: &Table, limit: Duration) -> String {
    let in_full = |sql: &str| {
        let sql = sql.replace("setting(", "pg_catalog.current_setting(").replace(" set(", " pg_catalog.set_config(");
        sql.replace("concat", "pg_catalog.concat").replace("{limit}", &literal(&format!("{} ms", limit.as_millis())))
    };
    let begin = BEGIN.replace("{is_set}", &in_full(IS_SET)).replace("{set}", &in_full(SET));
    // The names last: nothing in them is to be replaced.
    begin.replace("n.nspname = {schema} AND c.relname = {name}", &table.found())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_named_in_full() {
        let begin = begin(&Table::standard(), Duration::from_secs(6));
        for (place, _) in begin.match_indices('(') {
            let before = begin[..place].trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
            let name = &begin[before.len()..place];
            let is_function = !name.is_empty() && name != "nullif";
            assert!(!is_function || before.ends_with("pg_catalog."), "{name} in {begin}");
        }
        assert!(!begin.contains('{') && begin.matches("'6000 ms'").count() == 4, "{begin}");
    }
}
