//! Leases in a MySQL or MariaDB database: a storage for [lessor], for processes anywhere that reach one primary server.
//!
//! [`MySqlStorage`] keeps one small row for each key in a table. It works on the [`sqlx`] pool that your program has
//! anyway:
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
//! MySQL 8.0 or later, MariaDB 10.3 or later, tested with MariaDB 10.11; what the statements use is documented alike
//! for both. The table is InnoDB's. Rust 1.94 or later, as sqlx. This crate's types are those of sqlx 0.9, which it
//! exports as [`sqlx`].
//!
//! # Executors
//! It works under every executor. sqlx looks at each call whether it runs within tokio: with feature `tokio` it then
//! uses tokio's sockets, otherwise and everywhere else those of smol, which need nobody to run them.
//!
//! # TLS
//! Feature `tls-rustls` lets the pool connect under TLS: rustls with ring, and nothing of the system's. It trusts
//! Mozilla's root certificates, and those of a file that you name. Ask for it in the URL: by default sqlx goes on
//! without TLS where the server has none, and does not look at its certificate where it has.
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
//! Without TLS, MySQL's own way to check a password (`caching_sha2_password`) needs a Unix socket or sqlx's feature
//! `mysql-rsa`.
//!
//! # What survives
//! A grant, a renewal, a release or a revocation is committed before it is answered. A killed server loses nothing. A
//! crash of its machine loses nothing with `innodb_flush_log_at_trx_commit = 1`, the default, and `sync_binlog = 1`
//! where there is a binary log. No session can ask for that by itself, so see to it. With other values the last second
//! may be lost.
//!
//! A failover to an *asynchronous* replica may lose more; so may one to a semi-synchronous replica, once it has fallen
//! back to asynchronous. Then a term may be granted twice, and no lease is worth more than what was copied: wait out
//! the longest ttl before the replica serves. With a binary log, log rows (`binlog_format` `ROW` or `MIXED`):
//! statements alone would have other times on a replica.
//!
//! Where several servers take writes (Galera, group replication), give the storage a way to one of them. Each has a
//! clock of its own, and may show what it does not know yet; conflicts are found at the commit, and fail as transient.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, read by each statement after any wait for a
//! lock. After a step back a lease shows no more than its ttl, and a leader that is gone is replaced by a candidate
//! that saw its version unchanged for a ttl and margin on its own clock. A step forward ends leases early, so that two
//! may lead: where that can happen, set [`takeover_guard`](lessor::Config::takeover_guard).
//!
//! Time zones and summer time have no part in it, whatever the server's or the session's are. `clock` stands for:
//!
//! ```sql
//! ((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
//!  + IF(TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) BETWEEN 0 AND 600000000,
//!  TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)), 0)) DIV 1000)
//! ```
//!
//! `UTC_TIMESTAMP` and `NOW` are when the statement began. Only `SYSDATE` is the time of asking; but that is local
//! time, of which an hour comes twice in a year. So it only says how much time has passed since the statement began, in
//! a wait for a lock, say. Where local time was set meanwhile, or the server makes `SYSDATE` the same as `NOW`
//! (`--sysdate-is-now`), that counts as nothing. A verdict is then of the time when the statement began: a leader may
//! be told that it leads on though its lease ended while it waited. It is never told so with a lease that is longer
//! than it thinks, and never beside another leader, whose grant would have changed the row.
//!
//! # What it costs
//! A look, a list, a refused claim, a renewal and a release are one statement and one round trip, after the first of a
//! connection, which prepares it. A grant is a look and a statement: two round trips, once in a reign; so is a
//! revocation. A renewal that fails is followed by a look. A pool that tests its connections before it hands them out
//! (`test_before_acquire`, which sqlx sets by default) adds a round trip; without it the first operation after a broken
//! connection fails, and the candidate tries again.
//!
//! A batch of up to 256 keys, whatever is asked about each, is one look and one transaction. That is sent as one text:
//! it begins and ends on the server, so that no lock is ever held while a client is waited for. Sessions are not part
//! of the text, since sqlx logs it if it is slow.
//!
//! # Locks
//! A look, a list and a refused claim write nothing, and wait for nobody's lock. Everything else waits for the commit
//! of another transaction on the same row, during the [lock timeout](MySqlBuilder::lock_timeout). A claim or a renewal
//! waits at most a tenth of its ttl, so that the answer comes before the candidate gives up. (A release has no ttl:
//! below a ttl of 5 s set the lock timeout below the request timeout.) Then it fails with a
//! [transient](lessor::storage::ErrorKind::Transient) error, and the candidate tries again.
//!
//! The server's own limit (`innodb_lock_wait_timeout`) has whole seconds, and is not changed. A statement that is given
//! up waits on there, and its connection is closed; what it does in the end is what a late message would do. The next
//! ones for this key ask for the lock with `NOWAIT` until they get it: so one such statement is left behind for a key,
//! not one with each try. (There is no `NOWAIT` for the first row of a key: where a transaction of your own has locked
//! the range to which the key belongs, those next ones wait for a second, on a connection of their own.) Batches ask
//! with `NOWAIT` from the beginning; where a row is locked, the others go on without it. Since no batch that holds a
//! lock waits for another, no two of them wait for one another.
//!
//! # Wake-ups
//! Followers are woken when this storage or a clone of it is granted, releases or revokes a key: those in the same
//! process. The server tells nobody: followers elsewhere ask at their
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
//! What the storage says is an [`AdapterError`] inside the [`StorageError`](lessor::StorageError); what the driver says
//! is sqlx's own error there. No message has a session, a password or the content of a row.
//!
//! # The statements, and why they are safe
//! Each is a transaction of its own. A claim looks first: a `SELECT` without a lock, in no transaction, so that it sees
//! what was last committed, whatever the isolation level.
//!
//! ```sql
//! SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
//!     CAST(l.value AS BINARY) AS value, clock AS now, @@autocommit AS autocommit
//! FROM lessor_leases AS l WHERE l.`key` IN (?, ..)
//! ```
//!
//! [`Record::judge`](lessor::storage::Record::judge) judges what was seen. Where that refuses, it is the answer. Where
//! it grants, the record goes in the place of what was seen, if that is still there:
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
//! * Each write moves the version. So the row is what was judged, or it is not written, and the claim is answered with
//!   what was seen before; the candidate asks again. That it was judged a moment ago takes nothing away: what was
//!   expired or released stays so until the version moves. Only a claim that is granted once more in its term asks for
//!   a lease that lives, and so that is asked again (both `?` of a condition are 0 then, and 1 for a new term).
//! * InnoDB locks the row that the primary key names before the conditions are looked at, and they are looked at in the
//!   newest version, in every isolation level. So is the clock, which is read for that row. No time that was computed
//!   before the wait is written.
//! * *Two first claims*: the second waits for the first's commit, and finds the key there: it is told to ask again. If
//!   the first comes to nothing, the second's row is inserted as it was proposed: its lease ends a ttl after it was
//!   asked for.
//! * `@@autocommit` is 1, or nothing is written: else nothing would be committed.
//!
//! A renewal does not look. It says the new version in the place of the last inserted id, which comes with the answer:
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
//! A revocation looks first, as a claim does, since it answers what was there. Where a renewal comes between the two,
//! it looks again:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET l.session = NULL, l.term = ?, l.version = ?, l.since = clock
//! WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND @@autocommit = 1
//! ```
//!
//! A list is a range of the primary key, in the order of its bytes. It ends at the prefix and a byte of 255, which no
//! text in UTF-8 has:
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

mod admit;
mod answer;
mod builder;
mod change;
mod error;
mod left_behind;
mod look;
mod setup;
mod statement;
mod statements;
mod storage;
mod table;
mod together;
mod write;

pub use admit::admit;
pub use builder::MySqlBuilder;
pub use lessor_kit::error::AdapterError;
pub use lessor_kit::fence::NotAdmitted;
pub use sqlx;
pub use storage::MySqlStorage;

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
