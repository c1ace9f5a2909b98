//! Leases in a MySQL or MariaDB database: a storage for [lessor], for processes anywhere that reach one primary server.
//!
//! [`MySqlStorage`] keeps one small row for each key in a table. It works on the [`sqlx`] pool that your program
//! already has:
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_mysql::MySqlStorage;
//! use lessor_mysql::sqlx::MySqlPool;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = MySqlStorage::new(MySqlPool::connect("mysql://app@db.example.com/app").await?);
//! storage.migrate().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! MySQL 8.0 or later, MariaDB 10.3 or later, tested with MariaDB 10.11; the statements use only what both document.
//! The table uses InnoDB. Rust 1.94 or later, as sqlx. This crate takes the types of sqlx 0.9, which it re-exports as
//! [`sqlx`].
//!
//! # Executors
//! It works under every executor. At each call sqlx checks whether it runs within tokio: with feature `tokio` it then
//! uses tokio's sockets, in all other cases smol's, which need no runtime.
//!
//! # TLS
//! With feature `tls-rustls` the pool can use TLS: rustls with ring, not the system's library. It trusts Mozilla's root
//! certificates, and those of a file that you name. Ask for it in the URL: by default sqlx connects without TLS where
//! the server has none, and does not check its certificate where it has.
//!
//! ```no_run
//! use lessor_mysql::sqlx::MySqlPool;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "mysql://app@db.example.com/app?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ssl/db-ca.pem";
//! let pool = MySqlPool::connect(url).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without TLS, MySQL's default password check (`caching_sha2_password`) needs a Unix socket or sqlx's feature
//! `mysql-rsa`.
//!
//! # What survives
//! A grant, a renewal, a release or a revoke is committed before it is answered. A killed server loses nothing. A
//! crash of its machine loses nothing with `innodb_flush_log_at_trx_commit = 1`, the default, and `sync_binlog = 1`
//! where there is a binary log. These are settings of the server, which no connection can change for itself: set them.
//! With other values the last second may be lost.
//!
//! A failover to an *asynchronous* replica may lose more; so may one to a semi-synchronous replica that has fallen back
//! to asynchronous. Then a term may be granted twice, and two may lead: wait for the longest ttl before the replica
//! serves. With a binary log, log rows (`binlog_format` `ROW` or `MIXED`): statements would compute other times on a
//! replica.
//!
//! Where several servers take writes (Galera, group replication), connect all storages to the same one. Each server has
//! a clock of its own, and may lag behind the others; conflicts are found at the commit, and fail as transient.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, read by each statement after any wait for a
//! lock. After the clock steps back, a lease shows at most its ttl as time left, and a leader that is gone is replaced
//! by a candidate that saw the version unchanged for the ttl and a margin on its own clock. A step forward ends leases
//! early, so that two may lead: where that can happen, set [`takeover_guard`](lessor::Config::takeover_guard).
//!
//! Time zones and summer time play no part, whatever the server or the connection is set to. `clock` stands for:
//!
//! ```sql
//! ((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
//!  + IF(TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) BETWEEN 0 AND 600000000,
//!  TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)), 0)) DIV 1000)
//! ```
//!
//! `UTC_TIMESTAMP` and `NOW` are when the statement began. Only `SYSDATE` is the time of the call; but it is local
//! time, in which one hour comes twice a year. So it only tells how much time has passed since the statement began
//! (waiting for a lock, say). Where local time was set meanwhile, or the server makes `SYSDATE` the same as `NOW`
//! (`--sysdate-is-now`), that time counts as 0. The statement is then judged by the time when it began: a renewal may
//! succeed though its lease expired while it waited. Even then the lease is no longer than the leader assumes, and
//! nobody else leads: another grant would have changed the row.
//!
//! # What it costs
//! A look, a list, a refused claim, a renewal and a release are one statement and one round trip, after the first time
//! on a connection, which prepares the statement. A grant is a look and a statement: two round trips, once in a reign;
//! a revoke costs the same. A lost renewal is followed by a look. A pool that tests its connections before it hands
//! them out (`test_before_acquire`, which sqlx sets by default) adds a round trip; without it the first operation after
//! a broken connection fails, and the candidate tries again.
//!
//! A batch of up to 256 keys, whatever is asked about each, is one look and one transaction. The transaction is sent as
//! one text: it begins and ends on the server, which never waits for a client while it holds a lock. Sessions are not
//! part of the text, since sqlx logs slow ones.
//!
//! # Locks
//! A look, a list and a refused claim write nothing, and wait for no lock. Everything else waits for another
//! transaction on the same row, up to the [lock timeout](MySqlBuilder::lock_timeout). A claim or a renewal waits at
//! most a tenth of its ttl, so that the reply comes before the candidate gives up. (A release has no ttl: if the
//! candidate's ttl is below 5 s, set the lock timeout below its request timeout.) After that the request fails with a
//! [transient](lessor::storage::ErrorKind::Transient) error, and the candidate tries again.
//!
//! The server's own limit (`innodb_lock_wait_timeout`) has whole seconds, and is not changed. A statement that this
//! storage gives up goes on waiting on the server, and its connection is closed; it may still be applied, as a late
//! request would be. The next statements for this key ask for the lock with `NOWAIT` until they get it: so one such
//! statement is left behind for a key, not one with each try. (There is no `NOWAIT` for the first row of a key: where a
//! transaction of your own has locked the range of the key, those next statements wait for a second, on a connection of
//! their own.) Batches ask with `NOWAIT` from the beginning; where a row is locked, the other rows go on without it.
//! Since no batch waits for a lock while it holds one, no two batches wait for one another.
//!
//! # Wake-ups
//! Followers that use this storage or a clone of it are woken when one of these is granted, releases or revokes a key.
//! The server notifies nobody: all other followers ask at their
//! [retry interval](lessor::Config::retry_interval), and when the lease ends.
//!
//! # The table
//! [`migrate`](MySqlStorage::migrate) creates it; [`migration_sql`](MySqlBuilder::migration_sql) is its SQL, for your
//! own migrations. The program's user then needs `SELECT`, `INSERT` and `UPDATE` on the table;
//! [`check`](lessor::Storage::check) says what is missing.
//!
//! ```
//! use lessor_mysql::MySqlStorage;
//!
//! assert_eq!(MySqlStorage::builder().migration_sql(), r#"CREATE TABLE IF NOT EXISTS `lessor_leases` (
//!     `key`   varbinary(256) PRIMARY KEY, -- UTF-8, compared byte by byte
//!     session binary(16),                 -- a secret; NULL: released
//!     id      varchar(128) NOT NULL,      -- the candidate's
//!     term    bigint       NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
//!     version bigint       NOT NULL,      -- moves at every write
//!     ttl     bigint       NOT NULL,      -- ms
//!     expires bigint       NOT NULL,      -- ms since 1970, by the server's clock
//!     since   bigint       NOT NULL,      -- when the term was granted, as expires
//!     value   varchar(4096)
//! ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"#);
//! ```
//!
//! Rows are never deleted: they keep the terms. You may read them: ``SELECT CONVERT(`key` USING utf8mb4), id ..``.
//!
//! # Fencing
//! A write in the same database that only the newest leader can do, whatever its clock and its pauses, begins with
//! [`admit`]. Do not lock the lease's row for that: its leader could not renew meanwhile.
//!
//! # Errors
//! Inside a [`StorageError`](lessor::StorageError) is an [`AdapterError`], or sqlx's own error where the driver failed.
//! No message shows a session, a password or the content of a row.
//!
//! # The statements, and why they are safe
//! Each is a transaction of its own. A claim looks first: a `SELECT` without a lock, outside any transaction, so that
//! it sees what was last committed, whatever the isolation level.
//!
//! ```sql
//! SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
//!     CAST(l.value AS BINARY) AS value, clock AS now, @@autocommit AS autocommit
//! FROM lessor_leases AS l WHERE l.`key` IN (?, ..)
//! ```
//!
//! [`Record::judge`](lessor::storage::Record::judge) judges what was seen. Where it refuses, that is the reply. Where
//! it grants, the new record replaces what was seen, if that is still there:
//!
//! ```sql
//! INSERT INTO lessor_leases (`key`, session, id, term, version, ttl, expires, since, value)
//! SELECT CAST(? AS BINARY), CAST(? AS BINARY), CONVERT(CAST(? AS BINARY) USING utf8mb4), ?, ?, ?,
//!     clock + ?, clock, CONVERT(CAST(? AS BINARY) USING utf8mb4)
//! FROM DUAL WHERE @@autocommit = 1
//! ```
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     l.session = ?, l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.term = ?, l.version = ?, l.ttl = ?, l.expires = clock + ?, l.since = IF(?, clock, l.since)
//! WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND (? OR l.expires > clock)
//!     AND @@autocommit = 1
//! ```
//!
//! * Each write moves the version. So either the row is still what was judged, or nothing is written and the claim is
//!   refused with what was seen before; the candidate asks again. That it was judged a moment earlier does no harm:
//!   what was expired or released stays so until the version moves. Only a grant that is repeated in its term needs the
//!   lease to be still live, so the statement checks that again (`?` in `(? OR ..)` and `IF(?, ..)` is 0 then, else 1).
//! * InnoDB locks the row that the primary key names before the conditions are checked, and they are checked on its
//!   newest state, in every isolation level. The clock is read then, too. No time that was computed before the wait is
//!   written.
//! * *Two first claims*: the second waits for the first's commit, and finds the key there: it is told to ask again. If
//!   the first rolls back, the second's row is inserted as it was proposed: its lease ends a ttl after it was asked
//!   for.
//! * Nothing is written unless `@@autocommit` is 1: it would not be committed.
//!
//! A renewal does not look. It returns the new version as the last inserted id, which comes with the server's answer:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.version = LAST_INSERT_ID(l.version + 1), l.ttl = GREATEST(?, LEAST(l.expires - clock, l.ttl)),
//!     l.expires = clock + GREATEST(?, LEAST(l.expires - clock, l.ttl))
//! WHERE l.`key` = ? AND l.session = ? AND l.term = ? AND l.expires > clock AND @@autocommit = 1
//! ```
//!
//! Session, term and time are compared in the locked row, after any wait. MySQL assigns from left to right, and later
//! expressions see what earlier ones assigned; MariaDB has a mode (`SIMULTANEOUS_ASSIGNMENT`) where they do not. Here
//! `expires` is the same in both.
//!
//! A release is:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET l.session = NULL, l.version = l.version + 1
//! WHERE l.`key` = ? AND l.session = ? AND @@autocommit = 1
//! ```
//!
//! A revoke looks first, as a claim does, since its reply shows what was there. Where a renewal comes in between, it
//! looks again:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET l.session = NULL, l.term = ?, l.version = ?, l.since = clock
//! WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND @@autocommit = 1
//! ```
//!
//! A list is a range of the primary key, in the order of its bytes. It ends at the prefix followed by a byte of 255,
//! which no text in UTF-8 has:
//!
//! ```sql
//! SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
//!     CAST(l.value AS BINARY) AS value, clock AS now, @@autocommit AS autocommit
//! FROM lessor_leases AS l WHERE l.`key` >= ? AND l.`key` < ? ORDER BY l.`key` LIMIT ?
//! ```
//!
//! The transaction of a batch locks its rows first, or fails at once:
//!
//! ```sql
//! SELECT COUNT(*) FROM lessor_leases FORCE INDEX (PRIMARY) WHERE `key` IN (?, ..) FOR UPDATE NOWAIT
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acquire;
mod address;
mod admit;
#[cfg(test)]
mod as_on_mysql;
mod builder;
mod error;
mod get;
mod list;
mod release;
mod renew;
mod revoke;
mod row;
mod server;
mod setup;
mod statement;
mod statements;
mod storage;
mod table;
mod transaction;

pub use lessor_kit::error::AdapterError;
pub use lessor_kit::fence::NotAdmitted;
pub use lessor_kit::lane::Traffic;
pub use sqlx;

pub use address::Address;
pub use admit::admit;
pub use builder::MySqlBuilder;
pub use storage::MySqlStorage;

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
