//! Leases in a PostgreSQL database: for processes anywhere that reach one primary server.
//!
//! [`PostgresStorage`] keeps one small row for each key in a table, and works on the [`sqlx`] pool that your program
//! already has:
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_postgres::PostgresStorage;
//! use lessor_postgres::sqlx::PgPool;
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
//! PostgreSQL 12 or later, tested with 15. Rust 1.94 or later, as sqlx. This crate takes the types of sqlx 0.9, which
//! it re-exports as [`sqlx`].
//!
//! # Executors
//! It works under every executor. At each call sqlx checks whether it runs within tokio: with feature `tokio` it then
//! uses tokio's sockets, in all other cases smol's, which need no runtime.
//!
//! # TLS
//! With feature `tls-rustls` the pool can use TLS: rustls with ring, not the system's library. It trusts Mozilla's root
//! certificates, and those of a file that you name. Ask for it in the URL: by default sqlx connects without TLS where
//! the server has none.
//!
//! ```no_run
//! use lessor_postgres::sqlx::PgPool;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://app@db.example.com/app?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem";
//! let pool = PgPool::connect(url).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What survives
//! A grant, a renewal, a release or a revoke is on the primary's disk before it is answered: each statement turns
//! `synchronous_commit` on where it is off. A crash of the server loses nothing. A failover to an *asynchronous*
//! replica loses what was not copied: then a term may be granted twice, and two may lead. Have the replica confirm
//! (`synchronous_standby_names`), or wait for the longest ttl before the replica serves.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, read by each statement after any wait for a
//! lock. After the clock steps back, a lease shows at most its ttl as time left, and a leader that is gone is replaced
//! by a candidate that saw the version unchanged for the ttl and a margin on its own clock. A step forward ends leases
//! early, so that two may lead: where that can happen, set [`takeover_guard`](lessor::Config::takeover_guard).
//!
//! # What it costs
//! Each operation is one statement in its own transaction: one round trip, after the first time on a connection, which
//! prepares the statement. Two cases take a second round trip: a claim that is granted after a refused one, unless a
//! wake-up came between, and a renewal that finds its row locked or its lease lost. A pool that tests its connections
//! before it hands them out (`test_before_acquire`, which sqlx sets by default) adds a round trip; without it the first
//! operation after a broken connection fails, and the candidate tries again. A batch is one statement for each kind of
//! operation in it, on up to 256 keys; each list is a statement of its own.
//!
//! A look and a refused claim write nothing, not even to the write-ahead log, and wait for no lock. Everything else
//! waits for another transaction on the same row, up to the [lock timeout](PostgresBuilder::lock_timeout); a claim or a
//! renewal waits at most a tenth of its ttl, so that the reply comes before the candidate gives up. (A release has no
//! ttl: if the candidate's ttl is below 5 s, set the lock timeout below its request timeout.) After that the request
//! fails with a [transient](lessor::storage::ErrorKind::Transient) error, and the candidate tries again.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or revoked (`NOTIFY` in the statement that does it); renewals
//! wake nobody. One connection of its own, beside the pool, listens for all keys of a storage and its clones, on a
//! thread of its own: from the first [`subscribe`](lessor::Storage::subscribe) on, until the last clone is gone. A lost
//! connection is replaced after a pause: 250 ms at first, up to 30 s. Each new one wakes all followers, since they may
//! have missed a wake-up. They are [complete](lessor::Wakeups::complete), so the default
//! [retry interval](lessor::Config::retry_interval) is the ttl. Nothing relies on them: a follower that is not woken,
//! since that connection is down, asks at its retry interval.
//!
//! # Connection poolers
//! PgBouncer and similar poolers work in *transaction* mode, if they support prepared statements (PgBouncer 1.21 or
//! later; otherwise set `statement_cache_capacity(0)` in the pool's options). They do not pass `LISTEN` on: name the
//! server itself in [`listen_with`](PostgresBuilder::listen_with), or turn [wake-ups](PostgresBuilder::wakeups) off
//! in all processes: else followers count on being told, and a hand-over takes up to a ttl.
//!
//! # The table
//! [`migrate`](PostgresStorage::migrate) creates it; [`migration_sql`](PostgresBuilder::migration_sql) is its SQL, for
//! your own migrations. The program's user then needs `USAGE` on the schema, and `SELECT`, `INSERT` and `UPDATE` on the
//! table; [`check`](lessor::Storage::check) says what is missing.
//!
//! ```
//! use lessor_postgres::PostgresStorage;
//!
//! assert_eq!(PostgresStorage::builder().migration_sql(), r#"CREATE SCHEMA IF NOT EXISTS "public";
//! CREATE TABLE IF NOT EXISTS "public"."lessor_leases" (
//!     key     text   COLLATE "C" PRIMARY KEY,
//!     session bytea,           -- 16 bytes, a secret; NULL: released
//!     id      text   NOT NULL, -- the candidate's
//!     term    bigint NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
//!     version bigint NOT NULL, -- moves at every write
//!     ttl     bigint NOT NULL, -- ms
//!     expires bigint NOT NULL, -- ms since 1970, by the server's clock
//!     since   bigint NOT NULL, -- likewise, when the term was granted
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
//! They mirror [`Record::judge`](lessor::storage::Record::judge). In them
//! `clock` stands for `(date_part('epoch', clock_timestamp()) * 1000)::bigint`: the time of the call, while `now()` is
//! when the transaction began. All of it is for READ COMMITTED, PostgreSQL's default; in the stricter levels an
//! operation that conflicts with another fails as transient.
//!
//! ## A claim
//! `$1` is the lock timeout, `$2` the channel on which followers listen.
//!
//! ```sql
//! WITH seen AS MATERIALIZED (
//!     SELECT l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, clock AS now FROM lessor_leases AS l WHERE l.key = $3::text
//! ), granted AS (
//!     INSERT INTO lessor_leases AS l (key, session, id, term, version, ttl, expires, since, value)
//!     SELECT $3::text, $4::bytea, $5::text, $8::bigint + 1, 1, $6::bigint, clock + $6::bigint, clock, CASE WHEN (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL THEN $7::text END
//!     WHERE $8::bigint < 9007199254740991 AND NOT EXISTS (
//!         SELECT FROM seen AS l WHERE (CASE WHEN l.expires > l.now
//!             THEN l.session = $4::bytea OR $8::bigint >= l.term
//!                 AND (l.session IS NULL OR l.version = $10::bigint AND l.expires - l.now > l.ttl)
//!             ELSE $8::bigint >= l.term
//!                 AND ($9::boolean OR l.session IS NULL OR l.session = $4::bytea OR l.version = $10::bigint)
//!         END) IS NOT TRUE
//!     )
//!     ON CONFLICT (key) DO UPDATE SET
//!         session = excluded.session, id = excluded.id, value = excluded.value,
//!         term = greatest(l.term, excluded.term), version = l.version + 1,
//!         since = CASE WHEN excluded.term > l.term THEN clock ELSE l.since END,
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
//! * *Refused*: by the first condition, on the row as it was last committed. No row is proposed, so none is written,
//!   locked or waited for. The reply is made from that row.
//! * *Granted*: the conflict locks the row in its newest state, after any wait, and the second condition decides on
//!   that state by the clock of that moment. What was seen before does not count, and no time that was computed before
//!   the wait is written. The clock is read more than once, always while the row is locked: a condition that grants is
//!   true when its clock is read, and nobody can change the row in between.
//! * *Two first claims*: the second waits for the first's commit, meets its row, and is judged by it. If the first
//!   rolls back, the second's row is inserted as it was proposed: its lease ends a ttl after it was asked for.
//! * *Refused late*, by the second condition only: the reply shows what was seen before; the candidate asks again.
//! * The new term is the greater of the row's and `after + 1`. The row's is not smaller only where an earlier try of
//!   the same claim was granted: then that grant is repeated, and the reign's age goes on.
//!
//! A claim for a key that another held at the last claim begins with a plain `SELECT` of the row; if that refuses, it
//! is the reply.
//!
//! ## A renewal
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     id = $3, value = $5, version = l.version + 1, ttl = greatest($4::bigint, least(l.expires - clock, l.ttl)), expires = clock + greatest($4::bigint, least(l.expires - clock, l.ttl))
//! WHERE l.ctid = (
//!     SELECT ctid FROM lessor_leases WHERE key = $1 AND session = $2 AND term = $6 AND expires > clock
//!     FOR NO KEY UPDATE SKIP LOCKED
//! )
//! RETURNING l.version AS new_version, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
//! ```
//!
//! It waits for nobody: it skips a locked row. Where it finds no row, because it is locked or the lease is no longer
//! the claimant's, a second statement follows, which waits and says why:
//!
//! ```sql
//! WITH claim AS (
//!     SELECT $2::text AS key, $3::bytea AS session, $4::text AS id, $5::bigint AS ttl, $6::text AS value, $7::bigint AS term, 1::bigint AS place
//! ), locked AS MATERIALIZED (
//!     SELECT l.key FROM claim AS c JOIN lessor_leases AS l ON l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > clock
//!     WHERE (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
//! ), got AS MATERIALIZED (
//!     SELECT key, clock AS now FROM locked
//! ), renewed AS (
//!     UPDATE lessor_leases AS l SET
//!         id = c.id, value = c.value, version = l.version + 1,
//!         ttl = greatest(c.ttl, least(l.expires - k.now, l.ttl)), expires = k.now + greatest(c.ttl, least(l.expires - k.now, l.ttl))
//!     FROM got AS k JOIN claim AS c ON c.key = k.key
//!     WHERE l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > k.now
//!     RETURNING l.key, l.version, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
//! )
//! SELECT c.place, n.version AS new_version,
//!        l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, clock AS now
//! FROM claim AS c LEFT JOIN renewed AS n ON n.key = c.key LEFT JOIN lessor_leases AS l ON l.key = c.key
//! ```
//!
//! The row is locked first, and the clock is read once the lock is there. A plain `UPDATE .. WHERE .. RETURNING` would
//! not do: after a wait PostgreSQL checks its conditions again only if the row has changed. After a transaction that
//! only held the lock, or rolled back, it would revive an expired lease. Rows that are not the claimant's are not
//! locked.
//!
//! ## A release
//!
//! ```sql
//! UPDATE lessor_leases AS l SET session = NULL, version = l.version + 1
//! WHERE l.key = $3 AND l.session = $4 AND (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL
//! RETURNING 1::bigint AS place, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END, CASE WHEN $2::text IS NOT NULL THEN pg_notify($2, l.key)::text END
//! ```
//!
//! It needs no clock: only the session counts, also after a wait, since PostgreSQL checks its conditions again if the
//! row has changed.
//!
//! ## A revoke
//!
//! ```sql
//! WITH claim AS (
//!     SELECT $3::text AS key, $4::bigint AS term, 1::bigint AS place
//! ), locked AS MATERIALIZED (
//!     SELECT l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value FROM claim AS c JOIN lessor_leases AS l ON l.key = c.key AND l.session IS NOT NULL
//!     WHERE l.term = coalesce(c.term, l.term) AND (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
//! ), revoked AS (
//!     UPDATE lessor_leases AS l SET
//!         session = NULL, term = least(l.term + 1, 9007199254740991), version = l.version + 1, since = clock
//!     FROM locked AS k WHERE l.key = k.key
//!     RETURNING l.key, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
//! )
//! SELECT c.place, k.*, clock AS now, CASE WHEN $2::text IS NOT NULL THEN pg_notify($2, c.key)::text END
//! FROM claim AS c JOIN locked AS k ON k.key = c.key JOIN revoked AS n ON n.key = c.key
//! ```
//!
//! The row is locked first, in its newest state: the reply shows the lease that is taken, even if another was granted
//! it during the wait. Then nobody changes the row before the `UPDATE`, which finds it by its key alone: a condition on
//! its session would see the state from before the wait. The clock is read once the lock is there. Where nobody holds
//! the key in the term that is meant, nothing is locked or written.
//!
//! ## A list
//!
//! ```sql
//! SELECT l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, clock AS now
//! FROM lessor_leases AS l
//! WHERE l.key COLLATE "C" >= $1 AND ($2::text IS NULL OR l.key COLLATE "C" < $2)
//! ORDER BY l.key COLLATE "C" LIMIT $3
//! ```
//!
//! `$1` is the first key, `$2` the first one beyond the prefix. Both are compared byte by byte, so that the index is
//! used and no character of a prefix is special. One lease more than the page is read: the next page begins with it.
//!
//! ## A batch
//! The same statements, over the rows of `unnest(..)`. Rows are proposed and locked in the order of their keys, so that
//! no two batches wait for one another.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acquire;
mod admit;
mod builder;
mod error;
mod get;
mod held;
mod keyed;
mod list;
mod release;
mod renew;
mod revoke;
mod row;
mod setup;
mod statements;
mod storage;
mod table;
mod wakeups;

pub use lessor_kit::error::AdapterError;
pub use lessor_kit::fence::NotAdmitted;
pub use sqlx;

pub use admit::admit;
pub use builder::PostgresBuilder;
pub use storage::PostgresStorage;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
