//! Leases in a PostgreSQL database: for processes anywhere that reach one primary server.
//!
//! [`PostgresStorage`] keeps one small row for each key in a table, and works on the [`sqlx`] pool that your program
//! has anyway:
//!
//! ```no_run
//! use lessor::storage::postgres::sqlx::PgPool;
//! use lessor::{Builder, PostgresStorage};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = PostgresStorage::new(PgPool::connect("postgres://app@db.example.com/app").await?);
//! storage.migrate().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! PostgreSQL 12 or later, tested with 15. The library needs Rust 1.94 with this feature, as sqlx does.
//!
//! # Executors and TLS
//! It works under every executor. sqlx looks at each call whether it runs within tokio: with feature `tokio` it then
//! uses tokio's sockets, otherwise and everywhere else those of smol, which need nobody to run them. TLS is a feature
//! of sqlx that your program sets: `sqlx = { version = "0.9", default-features = false, features = ["tls-rustls"] }`.
//!
//! # What survives
//! A grant, a renewal or a release is on the primary's disk before it is answered: each statement turns
//! `synchronous_commit` on where it is off. A crash of the server loses nothing. A failover to an *asynchronous*
//! replica may: then a term may be granted twice, and no lease is worth more than what was copied. Have the replica
//! confirm (`synchronous_standby_names`), or wait out the longest ttl before the replica serves.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, read by each statement after any wait for a lock.
//! After a step back a lease shows no more than its ttl, and a leader that is gone is replaced by a candidate that saw
//! its version unchanged for a ttl and margin on its own clock. A step forward ends leases early, so that two may lead:
//! where that can happen, set [`takeover_guard`](crate::Config::takeover_guard).
//!
//! # What it costs
//! Each operation is one statement in its own transaction: one round trip, after the first of a connection, which
//! prepares it. Two take a second one: a claim that is granted though the last one was refused, unless a wake-up came
//! between, and a renewal that finds its row locked or its lease lost. A pool that tests its connections before it hands them out
//! (`test_before_acquire`, which sqlx sets by default) adds one; without it the first operation after a
//! broken connection fails, and the candidate tries again. A batch is one statement for up to 256 keys.
//!
//! A look and a refused claim write nothing, not a byte of the log, and wait for nobody's lock. Everything else waits for
//! the commit of another transaction on the same row during the [lock timeout](PostgresBuilder::lock_timeout), a claim or a
//! renewal at most a tenth of its ttl, so that the answer comes before the candidate gives up. (A release has no ttl: below
//! a ttl of 5 s set the lock timeout below the request timeout.) Then it fails with a
//! [transient](crate::ErrorKind::Transient) error and the candidate tries again.
//!
//! # Wake-ups
//! Followers are woken when a key is granted or released (`NOTIFY` in the statement that does it); renewals wake nobody.
//! One connection of its own, beside the pool, listens for all keys of a storage and its clones, on a thread of its own: from
//! the first [`subscribe`](Storage::subscribe) on, until the last clone is gone. A lost connection is made anew, after
//! 250 ms at first and 30 s at last. Whenever it begins to listen, all followers are woken: something may have passed
//! meanwhile. Nothing relies on wake-ups: a follower that is not woken asks at its
//! [retry interval](crate::Config::retry_interval).
//!
//! # Connection poolers
//! PgBouncer and its like in *transaction* mode keep the operations as they are, if they know prepared statements
//! (PgBouncer 1.21, or `statement_cache_capacity(0)` in the pool's options). They forget who listens: give
//! [`listen_with`](PostgresBuilder::listen_with) a way to the server itself, or turn
//! [wake-ups](PostgresBuilder::wakeups) off.
//!
//! # The table
//! [`migrate`](PostgresStorage::migrate) creates it; [`migration_sql`](PostgresBuilder::migration_sql) is its SQL, for
//! your own migrations. The program's user then needs `USAGE` on the schema, and `SELECT`, `INSERT` and `UPDATE` on the
//! table; [`check`](Storage::check) says what is missing.
//!
//! ```
//! use lessor::PostgresStorage;
//!
//! assert_eq!(PostgresStorage::builder().migration_sql(), r#"CREATE SCHEMA IF NOT EXISTS "public";
//! CREATE TABLE IF NOT EXISTS "public"."lessor_leases" (
//!     key     text   COLLATE "C" PRIMARY KEY,
//!     session bytea,           -- 16 bytes, a secret; NULL: released
//!     holder  text   NOT NULL, -- the candidate's id
//!     term    bigint NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
//!     version bigint NOT NULL, -- moves at every write
//!     ttl     bigint NOT NULL, -- ms
//!     expires bigint NOT NULL, -- ms since 1970, by the server's clock
//!     value   text
//! ) WITH (fillfactor = 50);"#);
//! ```
//!
//! Rows are never deleted: they keep the terms. You may read them.
//!
//! # Fencing
//! A write in the same database that only the newest leader can do, whatever its clock and its pauses, begins with
//! [`admit`]. Do not lock the lease's row for that: its leader could not renew meanwhile.
//!
//! # The statements, and why they are safe
//! They mirror [`Record`](crate::Record). `clock` stands for `(date_part('epoch', clock_timestamp()) * 1000)::bigint`: the
//! time of asking, while `now()` is when the transaction began. All of it is for READ COMMITTED, PostgreSQL's default; in
//! the stricter levels an operation that meets another fails as transient.
//!
//! A claim (`$1` is the lock timeout, `$2` the channel of the followers):
//!
//! ```sql
//! WITH seen AS MATERIALIZED (
//!     SELECT l.key, l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, clock AS now FROM lessor_leases AS l WHERE l.key = $3::text
//! ), granted AS (
//!     INSERT INTO lessor_leases AS l (key, session, holder, term, version, ttl, expires, value)
//!     SELECT $3::text, $4::bytea, $5::text, $8::bigint + 1, 1, $6::bigint, clock + $6::bigint, CASE WHEN (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL THEN $7::text END
//!     WHERE $8::bigint < 9007199254740991 AND NOT EXISTS (
//!         SELECT FROM seen AS l WHERE (CASE WHEN l.expires > l.now
//!             THEN l.session = $4::bytea OR $8::bigint >= l.term
//!                 AND (l.session IS NULL OR l.version = $10::bigint AND l.expires - l.now > l.ttl)
//!             ELSE $8::bigint >= l.term
//!                 AND ($9::boolean OR l.session IS NULL OR l.session = $4::bytea OR l.version = $10::bigint)
//!         END) IS NOT TRUE
//!     )
//!     ON CONFLICT (key) DO UPDATE SET
//!         session = excluded.session, holder = excluded.holder, value = excluded.value,
//!         term = greatest(l.term, excluded.term), version = l.version + 1,
//!         ttl = greatest(excluded.ttl, CASE l.session WHEN excluded.session THEN least(l.expires - clock, l.ttl) END),
//!         expires = clock + greatest(excluded.ttl, CASE l.session WHEN excluded.session THEN least(l.expires - clock, l.ttl) END)
//!     WHERE CASE WHEN l.expires > clock
//!             THEN l.session = $4::bytea OR $8::bigint >= l.term
//!                 AND (l.session IS NULL OR l.version = $10::bigint AND l.expires - clock > l.ttl)
//!             ELSE $8::bigint >= l.term
//!                 AND ($9::boolean OR l.session IS NULL OR l.session = $4::bytea OR l.version = $10::bigint)
//!         END
//!     RETURNING l.key, l.term, l.version, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
//! )
//! SELECT 1::bigint AS place, g.term AS new_term, g.version AS new_version, l.*, CASE WHEN $2::text IS NOT NULL AND g.term <> coalesce(l.term, 0) THEN pg_notify($2, $3::text)::text END
//! FROM (SELECT) AS one LEFT JOIN granted AS g ON true LEFT JOIN seen AS l ON true
//! ```
//!
//! * *Refused*: the first condition, on the row as it was last committed. No row is proposed, so none is written, locked
//!   or waited for. The answer is made from that row.
//! * *Granted*: the conflict locks the row in its newest version, after any wait, and the second condition decides on
//!   that version by the clock of that moment. What was seen before has no say, and no time that was computed before
//!   the wait is written. The clock is read more than once, always while the row is locked: each alternative that grants
//!   holds when it is read, and nobody can have come between.
//! * *Two first claims*: the second waits for the first's commit, meets its row, and is judged by it. If the first
//!   comes to nothing, the second's row is inserted as it was proposed: its lease ends a ttl after it was asked for.
//! * *A race lost* in the second condition is answered with what was seen before; the candidate asks again.
//! * The new term is the greater of the row's and `after + 1`. The row's is as great only where an earlier try of the
//!   same claim was granted: that is repeated.
//!
//! A claim on a key that was another's when it was last asked for begins with a plain `SELECT` of the row, and that is
//! the answer if it refuses.
//!
//! A renewal:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     holder = $3, value = $5, version = l.version + 1, ttl = greatest($4::bigint, least(l.expires - clock, l.ttl)), expires = clock + greatest($4::bigint, least(l.expires - clock, l.ttl))
//! WHERE l.ctid = (
//!     SELECT ctid FROM lessor_leases WHERE key = $1 AND session = $2 AND term = $6 AND expires > clock
//!     FOR NO KEY UPDATE SKIP LOCKED
//! )
//! RETURNING l.version AS new_version, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
//! ```
//!
//! It waits for nobody: a row that is locked it does not find. Where it finds none, for that or because the lease is not
//! the claimant's any more, a second statement follows, which waits and says why:
//!
//! ```sql
//! WITH claim AS (
//!     SELECT $2::text AS key, $3::bytea AS session, $4::text AS holder, $5::bigint AS ttl, $6::text AS value, $7::bigint AS term, 1::bigint AS place
//! ), locked AS MATERIALIZED (
//!     SELECT l.key FROM claim AS c JOIN lessor_leases AS l ON l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > clock
//!     WHERE (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
//! ), got AS MATERIALIZED (
//!     SELECT key, clock AS now FROM locked
//! ), renewed AS (
//!     UPDATE lessor_leases AS l SET
//!         holder = c.holder, value = c.value, version = l.version + 1,
//!         ttl = greatest(c.ttl, least(l.expires - k.now, l.ttl)), expires = k.now + greatest(c.ttl, least(l.expires - k.now, l.ttl))
//!     FROM got AS k JOIN claim AS c ON c.key = k.key
//!     WHERE l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > k.now
//!     RETURNING l.key, l.version, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
//! )
//! SELECT c.place, n.version AS new_version,
//!        l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, clock AS now
//! FROM claim AS c LEFT JOIN renewed AS n ON n.key = c.key LEFT JOIN lessor_leases AS l ON l.key = c.key
//! ```
//!
//! The row is locked first, and the clock is read when the lock is there. A plain `UPDATE .. WHERE .. RETURNING` would
//! not do: after a wait PostgreSQL looks at its conditions again only where the row has changed. Behind a transaction
//! that just holds the lock, or rolls back, it would revive an expired lease. Rows that are not the claimant's are not
//! locked. A release has no clock: a plain `UPDATE` of the row that has this session.
//!
//! A batch is the same for the rows of `unnest(..)`: they are proposed and locked in the order of their keys, so that no
//! two of them wait for one another.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use async_trait::async_trait;
pub use sqlx;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::listener::Listener;
use super::sql::{Batch, Connection};
use super::{Storage, StorageError, Wakeups, by_requests};
use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Renewed};

mod admit;
mod builder;
mod error;
mod held;
mod request;
mod row;
mod setup;
mod statements;
mod table;
mod watch;

pub use super::sql::{NotAdmitted, UnreadableRow};
pub use admit::admit;
pub use builder::PostgresBuilder;
pub use error::{InvalidName, NotReady, Refused};

use error::{explain, is_locked};
use held::Held;
use request::{LEAST_PATIENCE, Request, Statement};
use statements::Statements;
use table::Table;
use watch::Notifications;

/// The most keys of one statement.
const MOST: usize = 256;

/// Leases in a PostgreSQL table, through your own pool.
///
/// The [module](self) says what it runs and what survives. Clones share the pool, and the connection on which they
/// listen; that ends with the last clone.
#[derive(Clone)]
pub struct PostgresStorage(Arc<Shared>);

struct Shared {
    pool: PgPool,
    table: Table,
    statements: Statements,
    lock_timeout: Duration,
    held: Arc<Held>,
    /// `None`: there are no wake-ups.
    watch: Option<Listener<Notifications>>,
}

impl Shared {
    /// Where to tell of a grant or release.
    fn channel(&self) -> Option<String> {
        self.watch.is_some().then(|| self.table.channel())
    }

    fn explain(&self, error: sqlx::Error) -> StorageError {
        explain(error, &self.table.quoted())
    }

    async fn fetch(&self, statement: Statement) -> Result<Vec<PgRow>, StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = Connection::of(&self.pool).await.map_err(explain)?;
        let rows = statement.fetch_all(connection.get()).await;
        connection.end(rows).map_err(explain)
    }
}

impl PostgresStorage {
    /// Uses your pool, and the table `public.lessor_leases`. Nothing is sent yet.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::builder().pool(pool)
    }

    /// The table `public.lessor_leases`, a lock timeout of 1 s and wake-ups, to be changed.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::new()
    }

    /// Answers in order, a key that occurs again with an error in its place.
    ///
    /// A statement that meets a lock in vain is taken apart, until what is locked is alone: an error about one key is no
    /// verdict on another.
    async fn ask_all<R: Request>(&self, requests: &[R]) -> Vec<Result<R::Answer, StorageError>> {
        let batch = Batch::of(requests.iter().map(Request::key));
        let open = batch.open(requests);
        let mut parts: Vec<_> = open.chunks(MOST).rev().map(|part| (part, self.0.lock_timeout)).collect();
        let mut answers = Vec::with_capacity(open.len());
        while let Some((part, patience)) = parts.pop() {
            match self.ask_some(part, patience).await {
                Ok(some) => answers.extend(some),
                Err(error) if is_locked(&error) && part.len() > 1 => {
                    let (one, other) = part.split_at(part.len() / 2);
                    parts.extend([(other, LEAST_PATIENCE), (one, LEAST_PATIENCE)]);
                }
                Err(error) => answers.extend(part.iter().map(|_| Err(error.clone()))),
            }
        }
        batch.answers(answers)
    }

    /// One statement.
    async fn ask_some<R: Request>(
        &self,
        requests: &[&R],
        patience: Duration,
    ) -> Result<Vec<Result<R::Answer, StorageError>>, StorageError> {
        let explain = |error| self.0.explain(error);
        let rows = self.0.fetch(R::statement(requests, &self.0, patience)).await?;
        let mut places: Vec<Option<&PgRow>> = requests.iter().map(|_| None).collect();
        for row in &rows {
            let place: i64 = row.try_get("place").map_err(explain)?;
            let place = usize::try_from(place).ok().and_then(|place| places.get_mut(place.checked_sub(1)?));
            if let Some(place) = place {
                *place = Some(row);
            }
        }
        let answers = requests.iter().zip(places).map(|(request, row)| {
            let answer = request.answer(row).map_err(explain)?;
            answer.map_err(StorageError::permanent)
        });
        Ok(answers.collect())
    }

    /// One statement, or a shorter one that mostly does.
    async fn ask<R: Request>(&self, request: &R) -> Result<R::Answer, StorageError> {
        let explain = |error| self.0.explain(error);
        if let Some(statement) = request.shorter(&self.0)
            && let Some(row) = self.0.fetch(statement).await?.first()
            && let Some(answer) = request.settled(row).map_err(explain)?.map_err(StorageError::permanent)?
        {
            return Ok(answer);
        }
        let rows = self.0.fetch(R::statement(&[request], &self.0, self.0.lock_timeout)).await?;
        let answer = request.answer(rows.first()).map_err(explain)?.map_err(StorageError::permanent)?;
        request.learn(&answer, &self.0);
        Ok(answer)
    }
}

by_requests! {
    PostgresStorage,

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.watch.as_ref().map_or(Wakeups::never(), |watch| watch.subscribe(key))
    }

    /// Whether the table is there and fits, may be read and written, and the server is the primary. Writes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        self.look_over().await
    }
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStorage").field("table", &self.0.table.quoted()).finish_non_exhaustive()
    }
}
