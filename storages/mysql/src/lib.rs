//! Leases in a MySQL or MariaDB database: a storage for [lessor], for processes anywhere that reach one primary server.
//!
//! [`MySqlStorage`] keeps one small row for each key in a table. It needs to know where the server is: a URL, sqlx's
//! options, or a pool that your program has.
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_mysql::MySqlStorage;
//! use lessor_mysql::sqlx::mysql::MySqlConnectOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server: MySqlConnectOptions = "mysql://app@db.example.com/app".parse()?;
//! let storage = MySqlStorage::new(server);
//! storage.migrate().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! MySQL 8.0.1 or later, MariaDB 10.6 or later, tested with MariaDB 10.11; the statements use only what both document.
//! The table uses InnoDB. Rust 1.94 or later, as sqlx. This crate takes the types of sqlx 0.9, which it re-exports as
//! [`sqlx`].
//!
//! # Connections
//! A storage and its clones share two connections of their own ([`connections`](MySqlBuilder::connections)), on a
//! thread of their own: from the first request on, until the last clone is gone. All requests wait in one line for
//! them, renewals first; what waits together travels together, up to 1,024 keys and 1 MiB in one flight. So ten
//! thousand keys are two connections and a handful of transactions a second, and no request pays for connecting.
//! [`MySqlStorage::traffic`] tells how busy they are.
//!
//! Of a [pool](Address) only the options are taken: how to reach the server, and as whom. Its connections stay your
//! program's. What your program does with them keeps no leader from renewing.
//!
//! A connection that has ended, that belongs to a server which takes no writes any more, or that stays silent for as
//! long as anybody waits for it, is replaced, and what was on it is sent again, once. [`check`](lessor::Storage::check)
//! and [`migrate`](MySqlStorage::migrate) open one for themselves, and close it.
//!
//! # Executors
//! It works under every executor: the connections are on a thread of their own. (Those of `check` and `migrate` are on
//! the caller's; there feature `tokio` gives them tokio's sockets.)
//!
//! # TLS
//! With feature `tls-rustls` connections can use TLS: rustls with ring, not the system's library. It trusts Mozilla's
//! root certificates, and those of a file that you name. Ask for it in the URL: by default sqlx connects without TLS
//! where the server has none, and does not check its certificate where it has.
//!
//! ```no_run
//! use lessor_mysql::MySqlStorage;
//! use lessor_mysql::sqlx::mysql::MySqlConnectOptions;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "mysql://app@db.example.com/app?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ssl/db-ca.pem";
//! let storage = MySqlStorage::new(url.parse::<MySqlConnectOptions>()?);
//! # Ok(())
//! # }
//! ```
//!
//! Without TLS, MySQL's default password check (`caching_sha2_password`) needs a Unix socket or sqlx's feature
//! `mysql-rsa`.
//!
//! # What survives
//! A grant, a renewal, a release or a revoke is committed before it is answered. What a commit outlives is the server's
//! choice: with `innodb_flush_log_at_trx_commit = 1`, the default, and `sync_binlog = 1` where there is a binary log, it
//! outlives the machine. These are settings of the server, which no connection can change for itself: set them. With other
//! values a crash of the machine may lose the last second, and the terms in it are given again; with
//! `innodb_flush_log_at_trx_commit = 0` the death of the server does so, and [`check`](lessor::Storage::check) refuses it.
//!
//! A failover to an *asynchronous* replica may lose more; so may one to a semi-synchronous replica that has fallen back
//! to asynchronous. Then a term may be granted twice, and two may lead: wait for the longest ttl before the replica
//! serves. A binary log has to log rows (`binlog_format` `ROW` or `MIXED`): statements would compute other times on a
//! replica, and the server refuses to log them (error 1665).
//!
//! Where several servers take writes (Galera, group replication), connect all storages to the same one. Each server has
//! a clock of its own, and may lag behind the others; conflicts are found at the commit, and fail as transient.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds: of a renewal once it has the row's lock, of a claim by
//! the look before it, which the write holds to by the row's version. So whoever splits reads from writes has to send all of
//! it to the primary: a replica's rows are old, and its clock is another.
//!
//! After the clock steps back, a lease shows at most its ttl as time left, and a leader that is gone is replaced
//! by a candidate that saw the version unchanged for the ttl and a margin on its own clock. A step forward ends leases
//! early, so that two may lead: where that can happen, set [`takeover_guard`](lessor::Config::takeover_guard).
//!
//! `clock` stands for `(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', SYSDATE(6)) DIV 1000)`. Sessions are in UTC: time
//! zones and summer time play no part. `SYSDATE` is the time of the call, `NOW` would be when the statement began. A
//! server that makes them the same (`--sysdate-is-now`) does no harm, since no statement waits for a row's lock and
//! goes on.
//!
//! # What it costs
//! A look, a list, a refused claim, a renewal and a release are one statement and one round trip. A grant is a look and
//! a statement: two round trips, once in a reign; a revoke costs the same. A lost renewal is followed by a look.
//!
//! Requests that travel together cost as many round trips: a look is one statement for all of them; renewals, releases
//! and grants are one transaction, sent as one text, which begins and ends on the server. It never waits for a client
//! while it holds locks. A thousand renewals cost the server about twice what one `UPDATE` of a thousand rows does, and
//! a tenth of what as many statements would. Renewals whose id or value is not the row's cost another round trip; so do
//! claims of which some are not granted; and where another transaction has locked some of the rows, it is three more.
//!
//! Such a text is shorter than 8 MiB: `max_allowed_packet` has to be that much (the default is 16 MiB, MySQL's 64 MiB;
//! [`check`](lessor::Storage::check) says so where it is not).
//!
//! # Locks
//! A look, a list and a refused claim write nothing, and wait for no lock. What writes does not wait either: it asks
//! for the rows with `NOWAIT`, and where another transaction has locked some, the others go on without them. Who met
//! the lock asks again, alone and every 10 ms, for at most half of the time that its candidate waits for the answer,
//! and for at most the [lock timeout](MySqlBuilder::lock_timeout). After that the request fails with a
//! [transient](lessor::storage::ErrorKind::Transient) error, and the candidate tries again. Nothing waits on the server
//! that nobody waits for here; and since nobody waits for a lock while it holds one, no two wait for one another.
//!
//! One case is left on MySQL, whose shortest wait is a second: a key's first row, where a transaction of your own has
//! locked the range of the key (a `SELECT .. FOR UPDATE` without an index, say). Claims that travel with it may take
//! that second longer. MariaDB does not wait.
//!
//! For a lock on the whole table (`ALTER TABLE`, `LOCK TABLES`) the server waits for the lock timeout, in whole
//! seconds.
//!
//! # Wake-ups
//! Followers that use this storage or a clone of it are woken when one of these is granted, releases or revokes a key.
//! The server notifies nobody: all other followers ask at their [retry interval](lessor::Config::retry_interval), and
//! when the lease ends.
//!
//! # Sessions
//! Each connection begins with this, and asks whether it took the 0 (`{seconds}` is the lock timeout, rounded up):
//!
//! ```sql
//! SET NAMES utf8mb4, autocommit = 1, sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', completion_type = 'NO_CHAIN',
//!     lock_wait_timeout = {seconds},
//!     innodb_lock_wait_timeout = 1 /*M!100300 - 1, in_predicate_conversion_threshold = 0 */;
//! SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
//! SELECT CAST(@@innodb_lock_wait_timeout AS SIGNED) AS lock_wait
//! ```
//!
//! Then with this, and looks at the table's comment, and whether the server is set to be read-only, as a replica is: that is
//! refused with an error that says so, whatever the user may do there.
//!
//! ```sql
//! SET sql_select_limit = 18446744073709551615, sql_safe_updates = 0, sql_big_selects = 1,
//!     wait_timeout = GREATEST(@@wait_timeout, 28800)
//!     /*M!100101 , max_statement_time = 0 */ /*!50708 , max_execution_time = 0 */
//! ```
//!
//! So nothing that the server is set to changes what a statement means, or leaves it uncommitted. READ COMMITTED locks
//! no more than the rows that a statement names, and no gaps between them. A proxy that hands statements of one
//! connection to several servers or sessions has to keep these settings, as ProxySQL does once it sees them; connect to
//! the server itself if in doubt.
//!
//! sqlx logs nothing of these connections, however slow: sessions are secrets, and the texts of many keys have them in
//! them.
//!
//! # The table
//! [`migrate`](MySqlStorage::migrate) creates it; [`migration_sql`](MySqlBuilder::migration_sql) is its SQL, for your
//! own migrations. The program's user then needs `SELECT`, `INSERT` and `UPDATE` on the table;
//! [`check`](lessor::Storage::check) says what is missing: it claims two keys that nobody has, renews and releases them,
//! and rolls that back.
//!
//! ```
//! use lessor_mysql::MySqlStorage;
//!
//! assert_eq!(MySqlStorage::builder().migration_sql(), r#"CREATE TABLE IF NOT EXISTS `lessor_leases` (
//!     `key`   varbinary(256) PRIMARY KEY, -- UTF-8, compared byte by byte
//!     session binary(16),                 -- a secret; NULL: released, zeros: revoked, held by nobody until it ends
//!     id      varchar(128) NOT NULL,      -- the candidate's; after a release in favour of another, that one's
//!     term    bigint       NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
//!     version bigint       NOT NULL,      -- moves at every write
//!     ttl     bigint       NOT NULL,      -- ms
//!     expires bigint       NOT NULL,      -- ms since 1970, by the server's clock; released: until when it is reserved
//!     since   bigint       NOT NULL,      -- when the term was granted, as expires
//!     value   varchar(4096)
//! ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT = 'lessor leases, version 1';"#);
//! ```
//!
//! The comment tells the table's version, which moves only where older versions of this crate must not use the table:
//! they refuse it with an error that says so. A table whose comment tells none counts as the first; `migrate` writes it
//! where its user may change the table. Rows are never deleted: they keep the terms. You may read them: ``SELECT CONVERT(`key` USING utf8mb4), id ..``.
//!
//! # Fencing
//! A write in the same database that only the newest leader can do, whatever its clock and its pauses, begins with
//! [`admit`]; [`migrate_fences`](MySqlStorage::migrate_fences) creates the table that it needs. Do not lock the lease's row for that: its leader could not renew meanwhile.
//!
//! # Errors
//! Inside a [`StorageError`](lessor::StorageError) is an [`AdapterError`], or sqlx's own error where the driver failed.
//! No message shows a session, a password or the content of a row.
//!
//! # The statements, and why they are safe
//! They mirror [`Record::judge`](lessor::storage::Record::judge). `FORCE INDEX` is no matter of speed: in a small table
//! the server would rather read, and lock, all rows.
//!
//! ## A look
//! It takes no lock, outside any transaction, so that it sees what was last committed.
//!
//! ```sql
//! SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
//!     CAST(l.value AS BINARY) AS value, clock AS now
//! FROM lessor_leases AS l WHERE l.`key` IN (?, ..)
//! ```
//!
//! ## A claim
//! It looks first. What was seen is judged; where that refuses, it is the reply. Where it grants, the new record
//! replaces what was seen, if that is still there:
//!
//! ```sql
//! INSERT INTO lessor_leases (`key`, session, id, term, version, ttl, expires, since, value)
//! VALUES (?, ?, CONVERT(CAST(? AS BINARY) USING utf8mb4), ?, ?, ?, clock + ?, clock,
//!     CONVERT(CAST(? AS BINARY) USING utf8mb4))
//! ```
//!
//! ```sql
//! UPDATE lessor_leases AS l FORCE INDEX (PRIMARY) SET
//!     l.session = ?, l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.term = ?, l.version = ?, l.ttl = ?, l.expires = clock + ?, l.since = IF(?, clock, l.since)
//! WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND (? OR l.expires > clock)
//! ```
//!
//! * Each write moves the version. So either the row is still what was judged, or nothing is written and the claim is
//!   refused with what was seen before; the candidate asks again. That it was judged a moment earlier does no harm:
//!   what was expired or released stays so until the version moves. Only a grant that is repeated in its term needs the
//!   lease to be still live, so the statement checks that again (`?` in `(? OR ..)` and `IF(?, ..)` is 0 then, else 1).
//! * InnoDB locks the row that the primary key names before the conditions are checked, and they are checked on its
//!   newest state. The clock is read then, too. No time that was computed before is written.
//! * *Two first claims*: the second finds the key there, and is told to ask again; or it meets the first before its
//!   commit, and asks again by itself.
//!
//! Many grants are the same statements, after the rows were locked (below). First rows of many keys end with
//! `ON DUPLICATE KEY UPDATE version = version`, so that one that is there already does not end the transaction, and are
//! looked at before it ends. The clock was read (`@lessor_now`, below) before they were written:
//!
//! ```sql
//! SELECT l.`key`, l.session, l.term, l.version, l.ttl, CAST(l.value AS BINARY) AS value
//! FROM lessor_leases AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN (?, ..) AND l.expires >= @lessor_now + l.ttl
//! ```
//!
//! A row with the claim's session, term, ttl and value, of version 1, and with all of its time, is the grant. One that an
//! earlier try has written has less, or another ttl or value: the candidate is told to ask again, which extends it.
//!
//! ## A renewal
//! It does not look. It returns the new version as the last inserted id, which comes with the server's answer:
//!
//! ```sql
//! UPDATE lessor_leases AS l FORCE INDEX (PRIMARY) SET
//!     l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.version = LAST_INSERT_ID(l.version + 1), l.ttl = GREATEST(?, LEAST(l.expires - clock, l.ttl)),
//!     l.expires = clock + GREATEST(?, LEAST(l.expires - clock, l.ttl))
//! WHERE l.`key` = ? AND l.session = ? AND l.term = ? AND l.expires > clock
//! ```
//!
//! Session, term and time are compared in the locked row. MySQL assigns from left to right, and later expressions see
//! what earlier ones assigned; here `expires` is the same either way.
//!
//! Many renewals are one transaction (`START TRANSACTION`, these four, `COMMIT`):
//!
//! ```sql
//! SELECT l.`key`, l.session, l.id, l.term, l.version, l.expires, l.value
//! FROM lessor_leases AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN (?, ..) FOR UPDATE NOWAIT
//! ```
//!
//! ```sql
//! SET @lessor_now = clock
//! ```
//!
//! ```sql
//! UPDATE lessor_leases AS l FORCE INDEX (PRIMARY) SET
//!     l.version = l.version + 1, l.ttl = GREATEST(?, LEAST(l.expires - @lessor_now, l.ttl)),
//!     l.expires = @lessor_now + GREATEST(?, LEAST(l.expires - @lessor_now, l.ttl))
//! WHERE l.`key` IN (?, ..) AND l.expires > @lessor_now
//!     AND CONCAT(l.session, l.term, x'0a', l.`key`, x'0a', l.id, COALESCE(CONCAT(x'0a', l.value), '')) IN (?, ..)
//! ```
//!
//! ```sql
//! SELECT @lessor_now AS now
//! ```
//!
//! * All rows are locked, or none: the first statement fails where another has locked one, and nothing after it runs.
//!   Then the transaction is rolled back, those that are free are found (`SKIP LOCKED`), and it is tried again with
//!   them, three times at most.
//! * The clock is read once all locks are had, and a lease that has expired by then is not revived.
//! * Each last value is 16 bytes of a session, a term, a key, an id and perhaps a value, as the row has to have them:
//!   so one statement extends all that change nothing but times. (One for each ttl.) Ids and values seldom change; a
//!   renewal that changes one is found in the first statement's rows, and follows by itself, in a transaction with
//!   others of its kind.
//! * The rows of the first statement were locked until the end: with the clock they tell exactly which were extended,
//!   and to which version. The count of changed rows has to agree, else all are renewed one by one.
//!
//! ## A release
//!
//! ```sql
//! UPDATE lessor_leases AS l FORCE INDEX (PRIMARY) SET
//!     l.session = NULL, l.version = l.version + 1, l.id = COALESCE(CONVERT(CAST(? AS BINARY) USING utf8mb4), l.id),
//!     l.ttl = COALESCE(?, l.ttl), l.expires = COALESCE(clock + ?, 0)
//! WHERE l.`key` = ? AND l.session = ?
//! ```
//!
//! The first three values are for whom it reserves the key, and for how long; `NULL`: for nobody. Many are one transaction,
//! which locks the rows as renewals do. Those that reserve nothing are one statement in it, the others are one each:
//!
//! ```sql
//! UPDATE lessor_leases AS l FORCE INDEX (PRIMARY) SET l.session = NULL, l.version = l.version + 1, l.expires = 0
//! WHERE l.`key` IN (?, ..) AND CONCAT(l.session, l.`key`) IN (?, ..)
//! ```
//!
//! ## A revoke
//! It looks first, as a claim does, since its reply shows what was there. Where a renewal comes in between, it looks
//! again:
//!
//! ```sql
//! UPDATE lessor_leases AS l FORCE INDEX (PRIMARY) SET
//!     l.session = ?, l.term = ?, l.version = ?, l.expires = ?, l.since = clock
//! WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ?
//! ```
//!
//! ## A list
//! A range of the primary key, in the order of its bytes. It ends at the prefix followed by a byte of 255, which no
//! text in UTF-8 has:
//!
//! ```sql
//! SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
//!     CAST(l.value AS BINARY) AS value, clock AS now
//! FROM lessor_leases AS l WHERE l.`key` >= ? AND l.`key` < ? ORDER BY l.`key` LIMIT ?
//! ```
//!
//! ## Rows that are locked
//! Of the rows of a transaction that met a lock, these are free:
//!
//! ```sql
//! SELECT l.`key` FROM lessor_leases AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN (?, ..) FOR UPDATE SKIP LOCKED
//! ```
//!
//! Where keys are to get their first rows, these are not: another's are there, committed or not.
//!
//! ```sql
//! SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;
//! SELECT l.`key` FROM lessor_leases AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN (?, ..)
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
mod check;
mod error;
mod fences;
mod get;
mod list;
mod opening;
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
