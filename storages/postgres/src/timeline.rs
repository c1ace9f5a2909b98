//! What a failover to an asynchronous standby may have lost: it is waited for, and no term is given twice.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use lessor::{Config, Instant, StorageError, SystemTimer, Timer};
use lessor_kit::error::AdapterError;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::server::Primary;
use crate::statements::CLOCK;

/// The key whose record remembers the server's timeline. Nobody ever holds it.
pub(crate) const KEY: &str = "lessor timeline";

/// Where the record tells of another server, or another timeline, than this one, it is from before a failover: since now
/// this one counts. Without a record it is the same, but on the first timeline, on which there was no failover.
const NOTE: &str = "\
INSERT INTO {table} AS l (key, session, id, term, version, ttl, expires, since)
SELECT '{key}', NULL, here.name, 1, 1, {max_ttl}, 0, CASE here.timeline WHEN '00000001' THEN 0 ELSE {clock} END
FROM (
    SELECT w.timeline, 'timeline ' || w.timeline || ' of ' || c.system_identifier AS name
    FROM pg_control_system() AS c, (SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline) AS w
) AS here
ON CONFLICT (key) DO UPDATE SET
    id = excluded.id, version = l.version + 1, ttl = greatest(l.ttl, excluded.ttl),
    since = CASE l.id WHEN excluded.id THEN l.since ELSE {clock} END
WHERE l.id <> excluded.id OR l.ttl < excluded.ttl";

/// How long nothing is granted from now on, in ms. A statement of its own: it sees what others have noted meanwhile.
const LEFT: &str = "\
SELECT least(l.since + l.ttl - {clock}, l.ttl) AS left_ms FROM {table} AS l WHERE l.key = '{key}'";

/// For how long nothing is granted.
#[derive(Debug)]
pub(crate) struct Freeze {
    pub(crate) max_ttl: Duration,
    timer: SystemTimer,
    until: Mutex<Option<Instant>>,
}

impl Freeze {
    pub(crate) fn new(max_ttl: Duration) -> Self {
        Self { max_ttl, timer: SystemTimer::new(), until: Mutex::default() }
    }

    /// How much of it is left.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until?.saturating_duration_since(self.timer.now());
        Some(left).filter(|left| !left.is_zero())
    }

    fn lasts(&self, left: Duration) {
        let until = self.timer.now().saturating_add(left);
        let mut longest = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = Some(longest.map_or(until, |longest| longest.max(until)));
    }
}

/// A ttl that candidates may have, in this setting.
pub(crate) fn checked(max_ttl: Duration) -> Result<Duration, AdapterError> {
    if (Config::MIN_TTL..=Config::MAX_DURATION).contains(&max_ttl) {
        return Ok(max_ttl);
    }
    Err(AdapterError::invalid("max_ttl", &format!("{max_ttl:?}"), "100 ms to 24 h"))
}

impl Primary {
    /// Notes the timeline of the server that this connection leads to. It stays the same for as long as the connection
    /// lives: it leads to that server alone, which was no replica when it was opened.
    pub(crate) async fn note_timeline(&self, connection: &mut PgConnection) -> Result<(), StorageError> {
        let Some(freeze) = &self.freeze else { return Ok(()) };
        let explain = |error| self.explain(error);
        let complete = |sql: &str| {
            let max_ttl = freeze.max_ttl.as_millis().to_string();
            let sql = sql.replace("{key}", KEY).replace("{clock}", CLOCK).replace("{max_ttl}", &max_ttl);
            AssertSqlSafe(sql.replace("{table}", &self.table.quoted()))
        };
        connection.execute(sqlx::raw_sql(complete(NOTE))).await.map_err(explain)?;
        let left: PgRow = sqlx::raw_sql(complete(LEFT)).fetch_one(connection).await.map_err(explain)?;
        let left: i64 = left.try_get("left_ms").map_err(explain)?;
        if let Ok(left @ 1..) = u64::try_from(left) {
            freeze.lasts(Duration::from_millis(left));
        }
        Ok(())
    }
}
