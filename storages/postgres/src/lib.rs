//! Leases in a PostgreSQL database: for processes anywhere that reach one primary server.
//!
//! [`PostgresStorage`] keeps one small row for each key in a table. All candidates of a process share two connections
//! of the storage's own, however many there are:
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_postgres::PostgresStorage;
//! use lessor_postgres::sqlx::postgres::PgConnectOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server: PgConnectOptions = "postgres://app@db.example.com/app".parse()?;
//! let storage = PostgresStorage::new(server);
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
//! It works under every executor: the connections are on a thread of the storage's own, over smol's sockets, which need
//! no runtime. Only [`migrate`](PostgresStorage::migrate) and [`check`](lessor::Storage::check) connect where they are
//! called; with feature `tokio` they use tokio's sockets within tokio.
//!
//! # TLS
//! With feature `tls-rustls` connections can use TLS: rustls with ring, not the system's library. It trusts Mozilla's
//! root certificates, and those of a file that you name. Ask for it in the URL: by default sqlx connects without TLS
//! where the server has none.
//!
//! ```
//! use lessor_postgres::sqlx::postgres::PgConnectOptions;
//!
//! let url = "postgres://app@db.example.com/app?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem";
//! let server: PgConnectOptions = url.parse()?;
//! # Ok::<(), lessor_postgres::sqlx::Error>(())
//! ```
//!
//! # What survives
//! A grant, a renewal, a release or a revoke is on the primary's disk before it is answered: each statement turns
//! `synchronous_commit` on where it is off or local. A crash of the server loses nothing (where `fsync` is on: no connection
//! can turn it on; and an unlogged table is refused by [`check`](lessor::Storage::check)). A failover to an *asynchronous*
//! replica loses what was not copied: then a term may be granted twice, and two may lead. Have the replica confirm
//! (`synchronous_standby_names`, as in `ANY 1 (a, b)`), which costs each write a round trip to it; or set
//! [`asynchronous_standbys`](PostgresBuilder::asynchronous_standbys), which costs a `max_ttl` without new leaders after
//! a failover; or wait for the longest ttl before the replica serves.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, read by each statement after any wait for a
//! lock. After the clock steps back, a lease shows at most its ttl as time left, and a leader that is gone is replaced
//! by a candidate that saw the version unchanged for the ttl and a margin on its own clock. A step forward ends leases
//! early, so that two may lead: where that can happen, set [`takeover_guard`](lessor::Config::takeover_guard).
//!
//! # Connections
//! The storage and its clones share two connections, or [as many as you say](PostgresBuilder::connections). They are
//! opened at the first request, one at a time, and stay open. They lead to a primary: a replica, whose rows are old and whose
//! clock is another, is refused. Requests that wait together travel together, in one
//! statement: those of leaders first, by how little time their leases have left; then releases, claims, looks. So ten
//! thousand keys of a process are some forty statements a second, and where the server cannot keep up, leases
//! that are held are kept. The [kit](lessor_kit::lane) has all the rules, [`traffic`](PostgresStorage::traffic) the
//! figures.
//!
//! Connecting takes no request's time, but requests wait for it: a connection costs five round trips, nine with TLS,
//! and five more for its session and the statements that are prepared on it. What cannot be answered in time is not sent, and fails
//! with an error that [says so](lessor::StorageError::is_not_sent), and why there is no connection. After an error of a
//! connection (it was closed while it was idle; its server is read-only since a switchover) the requests on it are sent
//! once more, on a new one. Where a connection falls silent, all that were idle since are
//! suspected too, and replaced.
//!
//! A [pool](sqlx::PgPool) that your program has can be given instead of options. Its options are used as they are when
//! a connection is opened; its connections are not. Use it for your own work, and for [fenced writes](admit).
//!
//! # What it costs
//! Each operation is one statement in its own transaction: one round trip. A second one follows a claim that is granted
//! after a refused one, unless a wake-up came between, and a renewal that finds its row locked or its lease lost. A
//! flight of up to 1,024 keys is one statement, and a look at those that it could not serve. Each list and each revoke
//! is a statement of its own.
//!
//! # Locks
//! A look and a refused claim write nothing, not even to the write-ahead log, and wait for no lock. Nor does anything
//! that travels together: a row that another transaction has locked is skipped, and asked for again alone, when nothing
//! else waits, one at a time. That waits for at most half of the time for which its candidate waits, and for the [lock
//! timeout](PostgresBuilder::lock_timeout) at most; then the request fails with a
//! [transient](lessor::storage::ErrorKind::Transient) error, and the candidate tries again. The lock timeout is set for
//! each session, so that it also goes for a lock on the whole table.
//!
//! # Sessions
//! Whatever the server, the database or the user is set to: each connection begins with a session of its own settings.
//! It looks for functions in `pg_catalog` first, is READ COMMITTED, turns `synchronous_commit` on where it is off or
//! local, does not end while it is idle, and gives a statement longer than it may wait for a lock. A session that is read-only
//! (`default_transaction_read_only`) stays so: somebody meant it, and requests fail with an error that says so.
//!
//! # Wake-ups
//! Followers are woken at once when a key is released or revoked (`NOTIFY` in the statement that does it). Of a grant
//! they hear a little later, when a connection has nothing else to do, and under load perhaps not at all: a `NOTIFY`
//! within the grant would take a lock of the whole database until the grant is on the disk, and make grants to
//! different keys wait for one another. Renewals wake nobody. One more connection listens for all keys of a storage and
//! its clones, on a thread of its own: from the first [`subscribe`](lessor::Storage::subscribe) on, until the last
//! clone is gone. It does not end while it is idle, unless a pooler keeps that from being set. When it is lost it is replaced after a pause: 250 ms at first, up to 30 s. Each new one wakes all
//! followers, since they may have missed a wake-up. Since all that matters is told, by whomever it is done, followers
//! ask by themselves only about once per ttl, and when the lease ends: that is the bound while nothing is told. So turn
//! wake-ups off in all processes or in none.
//!
//! # Connection poolers
//! PgBouncer and its kin work in *session* mode. In *transaction* mode they do if they keep the prepared statements of
//! their clients apart (PgBouncer 1.21 or later, with `max_prepared_statements`); otherwise requests fail with an error
//! that says so. In transaction mode they do not pass `LISTEN` on: name the server itself in
//! [`listen_with`](PostgresBuilder::listen_with), or turn [wake-ups](PostgresBuilder::wakeups) off.
//!
//! In transaction mode `LISTEN` seems to work, and nobody is woken: [`check`](lessor::Storage::check) finds that out.
//! Where `LISTEN` is refused, or its connection does not last, there is one warning in the program's log (the core's
//! feature `tracing`), and followers ask at their retry interval: once per ttl by default, since they count on being told. Turn
//! wake-ups off, and it is a fifth of the ttl.
//!
//! A stock PgBouncer takes no settings, and most poolers pass none on. Then the session is as it comes:
//! [`asynchronous_standbys`](PostgresBuilder::asynchronous_standbys) is refused, since the pooler may go on with another server
//! unnoticed; there is no limit for locks on the whole table,
//! the user's own settings count (conflicts of stricter isolation fail as transient), and statements are planned by
//! PostgreSQL's statistics: after a table has grown from a few keys to thousands, run `ANALYZE` on it, or they may read
//! all of it for each key until autovacuum does so.
//!
//! # The table
//! [`migrate`](PostgresStorage::migrate) creates it; [`migration_sql`](PostgresBuilder::migration_sql) is its SQL, for
//! your own migrations. The program's user then needs `USAGE` on the schema, and `SELECT`, `INSERT` and `UPDATE` on the
//! table. [`check`](lessor::Storage::check) says what is missing: it claims two keys that nobody has, renews and releases
//! them, and rolls that back.
//!
//! ```
//! use lessor_postgres::PostgresStorage;
//!
//! assert_eq!(PostgresStorage::builder().migration_sql(), r#"CREATE SCHEMA IF NOT EXISTS "public";
//! CREATE TABLE IF NOT EXISTS "public"."lessor_leases" (
//!     key     text   COLLATE "C" PRIMARY KEY,
//!     session bytea,           -- 16 bytes, a secret; NULL: released, zeros: revoked, held by nobody until it ends
//!     id      text   NOT NULL, -- the candidate's; after a release in favour of another, that one's
//!     term    bigint NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
//!     version bigint NOT NULL, -- moves at every write
//!     ttl     bigint NOT NULL, -- ms
//!     expires bigint NOT NULL, -- ms since 1970, by the server's clock; released: until when it is reserved
//!     since   bigint NOT NULL, -- likewise, when the term was granted
//!     value   text
//! ) WITH (fillfactor = 50);
//! COMMENT ON TABLE "public"."lessor_leases" IS 'lessor leases, version 1';"#);
//! ```
//!
//! The comment tells the table's version, which moves only where older versions of this crate must not use the table:
//! they refuse it with an error that says so. A table whose comment tells none counts as the first; `migrate` writes it
//! where its user owns the table. Rows are never deleted: they keep the terms. You may read them.
//!
//! # Fencing
//! A write in the same database that only the newest leader can do, whatever its clock and its pauses, begins with
//! [`admit`]; [`migrate_fences`](PostgresStorage::migrate_fences) creates the table that it needs. Do not lock the lease's row for that: its leader could not renew meanwhile.
//!
//! # The statements, and why they are safe
//! They mirror [`Record::judge`](lessor::storage::Record::judge). In them
//! `clock` stands for `(date_part('epoch', clock_timestamp()) * 1000)::bigint`: the time of the call, while `now()` is
//! when the transaction began. All of it is for READ COMMITTED, which the sessions are set to; in the stricter levels an
//! operation that conflicts with another fails as transient.
//!
//! ## A claim
//! `$1` is the lock timeout.
//!
//! ```sql
//! WITH seen AS MATERIALIZED (
//!     SELECT l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, clock AS now FROM lessor_leases AS l WHERE l.key = $2::text
//! ), granted AS (
//!     INSERT INTO lessor_leases AS l (key, session, id, term, version, ttl, expires, since, value)
//!     SELECT $2::text, $3::bytea, $4::text, $7::bigint + 1, 1, $5::bigint, clock + $5::bigint, clock, CASE WHEN (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL THEN $6::text END
//!     WHERE $7::bigint < 9007199254740991 AND NOT EXISTS (
//!         SELECT FROM seen AS l WHERE (CASE WHEN l.expires > l.now
//!             THEN l.session = $3::bytea OR $7::bigint >= l.term
//!                 AND ((l.session IS NULL OR l.version = $9::bigint) AND l.expires - l.now > l.ttl
//!                     OR l.session IS NULL AND l.id COLLATE "C" = $4::text)
//!             ELSE $7::bigint >= l.term
//!                 AND ($8::boolean OR l.session IS NULL OR l.session = $3::bytea OR l.version = $9::bigint)
//!         END AND l.version >= 0 AND l.ttl >= 0 AND l.expires >= 0 AND l.since >= 0
//!         AND (l.session IS NULL OR octet_length(l.session) = 16) AND octet_length(l.id) BETWEEN 1 AND 128
//!         AND encode(convert_to(l.id, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])' AND (l.value IS NULL OR octet_length(l.value) <= 4096 AND encode(convert_to(l.value, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])')) IS NOT TRUE
//!     )
//!     ON CONFLICT (key) DO UPDATE SET
//!         session = excluded.session, id = excluded.id, value = excluded.value,
//!         term = CASE WHEN $7::bigint >= l.term THEN excluded.term ELSE l.term END, version = l.version + 1,
//!         since = CASE WHEN $7::bigint >= l.term THEN clock ELSE l.since END,
//!         ttl = greatest(excluded.ttl, CASE l.session WHEN excluded.session THEN least(l.expires - clock, l.ttl) END),
//!         expires = clock + greatest(excluded.ttl, CASE l.session WHEN excluded.session THEN least(l.expires - clock, l.ttl) END)
//!     WHERE CASE WHEN l.expires > clock
//!             THEN l.session = $3::bytea OR $7::bigint >= l.term
//!                 AND ((l.session IS NULL OR l.version = $9::bigint) AND l.expires - clock > l.ttl
//!                     OR l.session IS NULL AND l.id COLLATE "C" = $4::text)
//!             ELSE $7::bigint >= l.term
//!                 AND ($8::boolean OR l.session IS NULL OR l.session = $3::bytea OR l.version = $9::bigint)
//!         END AND l.version >= 0 AND l.ttl >= 0 AND l.expires >= 0 AND l.since >= 0
//!         AND (l.session IS NULL OR octet_length(l.session) = 16) AND octet_length(l.id) BETWEEN 1 AND 128
//!         AND encode(convert_to(l.id, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])' AND (l.value IS NULL OR octet_length(l.value) <= 4096 AND encode(convert_to(l.value, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])')
//!     RETURNING l.term, l.version, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)
//! )
//! SELECT g.term AS new_term, g.version AS new_version, g.term IS DISTINCT FROM l.term AS is_new, l.*
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
//! * *Unreadable*: a row that no storage wrote (a session that is not of 16 bytes, a line feed in an id) is granted to
//!   nobody. The second half of each condition is true exactly where the row can be read. The look that follows says
//!   what is wrong with it.
//! * *Refused late*, by the second condition only: the reply shows what was seen before; the candidate asks again.
//! * The new term is `after + 1`. (With [`asynchronous_standbys`](PostgresBuilder::asynchronous_standbys) it is
//!   `greatest($7::bigint + 1, clock)`, here and below.) Where the row's is greater, an earlier try of the same claim was
//!   granted: then that grant is repeated, and the reign's age goes on.
//!
//! A claim for a key that another held at the last claim begins with a plain `SELECT` of the row; if that refuses, it
//! is the reply.
//!
//! Many claims together:
//!
//! ```sql
//! WITH seen AS MATERIALIZED (
//!     SELECT c.*, l.*, clock AS now
//!     FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::boolean[], $9::bigint[]) WITH ORDINALITY AS c (name, by, who, wanted, shown, after, expired, unchanged, place) LEFT JOIN LATERAL (
//!         SELECT l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value FROM lessor_leases AS l WHERE l.key = c.name OFFSET 0
//!     ) AS l ON true
//! ), got AS MATERIALIZED (
//!     SELECT c.name, c.by, c.who, c.wanted, c.shown, c.after, c.expired, c.unchanged, k.at, clock AS now
//!     FROM seen AS c, LATERAL (
//!         SELECT l.ctid AS at FROM lessor_leases AS l WHERE l.key = c.name AND CASE WHEN l.expires > clock
//!             THEN l.session = c.by OR c.after >= l.term
//!                 AND ((l.session IS NULL OR l.version = c.unchanged) AND l.expires - clock > l.ttl
//!                     OR l.session IS NULL AND l.id COLLATE "C" = c.who)
//!             ELSE c.after >= l.term
//!                 AND (c.expired OR l.session IS NULL OR l.session = c.by OR l.version = c.unchanged)
//!         END
//!         FOR NO KEY UPDATE SKIP LOCKED
//!     ) AS k
//!     WHERE c.after < 9007199254740991 AND CASE WHEN c.expires > c.now
//!             THEN c.session = c.by OR c.after >= c.term
//!                 AND ((c.session IS NULL OR c.version = c.unchanged) AND c.expires - c.now > c.ttl
//!                     OR c.session IS NULL AND c.id COLLATE "C" = c.who)
//!             ELSE c.after >= c.term
//!                 AND (c.expired OR c.session IS NULL OR c.session = c.by OR c.version = c.unchanged)
//!         END AND c.version >= 0 AND c.ttl >= 0 AND c.expires >= 0 AND c.since >= 0
//!         AND (c.session IS NULL OR octet_length(c.session) = 16) AND octet_length(c.id) BETWEEN 1 AND 128
//!         AND encode(convert_to(c.id, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])' AND (c.value IS NULL OR octet_length(c.value) <= 4096 AND encode(convert_to(c.value, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])')
//! ), taken AS (
//!     UPDATE lessor_leases AS l SET
//!         session = c.by, id = c.who, value = c.shown,
//!         term = CASE WHEN c.after >= l.term THEN c.after + 1 ELSE l.term END, version = l.version + 1,
//!         since = CASE WHEN c.after >= l.term THEN c.now ELSE l.since END,
//!         ttl = greatest(c.wanted, CASE l.session WHEN c.by THEN least(l.expires - c.now, l.ttl) END), expires = c.now + greatest(c.wanted, CASE l.session WHEN c.by THEN least(l.expires - c.now, l.ttl) END)
//!     FROM got AS c WHERE l.ctid = c.at AND l.key = c.name AND CASE WHEN l.expires > c.now
//!             THEN l.session = c.by OR c.after >= l.term
//!                 AND ((l.session IS NULL OR l.version = c.unchanged) AND l.expires - c.now > l.ttl
//!                     OR l.session IS NULL AND l.id COLLATE "C" = c.who)
//!             ELSE c.after >= l.term
//!                 AND (c.expired OR l.session IS NULL OR l.session = c.by OR l.version = c.unchanged)
//!         END AND l.version >= 0 AND l.ttl >= 0 AND l.expires >= 0 AND l.since >= 0
//!         AND (l.session IS NULL OR octet_length(l.session) = 16) AND octet_length(l.id) BETWEEN 1 AND 128
//!         AND encode(convert_to(l.id, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])' AND (l.value IS NULL OR octet_length(l.value) <= 4096 AND encode(convert_to(l.value, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])')
//!     RETURNING l.key, l.term, l.version, l.since = c.now AS is_new, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)
//! ), created AS (
//!     INSERT INTO lessor_leases AS l (key, session, id, term, version, ttl, expires, since, value)
//!     SELECT c.name, c.by, c.who, c.after + 1, 1, c.wanted, clock + c.wanted, clock, CASE WHEN (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL THEN c.shown END FROM seen AS c
//!     WHERE c.key IS NULL AND c.after < 9007199254740991
//!     ORDER BY c.name COLLATE "C"
//!     ON CONFLICT (key) DO NOTHING
//!     RETURNING l.key, l.term, l.version, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)
//! )
//! SELECT key, term AS new_term, version AS new_version, is_new, NULL::bytea AS session, NULL::text AS id,
//!     NULL::bigint AS term, NULL::bigint AS version, NULL::bigint AS ttl, NULL::bigint AS expires, NULL::bigint AS since,
//!     NULL::text AS value, NULL::bigint AS now
//! FROM taken
//! UNION ALL
//! SELECT key, term, version, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM created
//! UNION ALL
//! SELECT c.key, NULL, NULL, NULL, c.session, c.id, c.term, c.version, c.ttl, c.expires, c.since, c.value, c.now
//! FROM seen AS c WHERE c.key IS NOT NULL AND (CASE WHEN c.expires > c.now
//!             THEN c.session = c.by OR c.after >= c.term
//!                 AND ((c.session IS NULL OR c.version = c.unchanged) AND c.expires - c.now > c.ttl
//!                     OR c.session IS NULL AND c.id COLLATE "C" = c.who)
//!             ELSE c.after >= c.term
//!                 AND (c.expired OR c.session IS NULL OR c.session = c.by OR c.version = c.unchanged)
//!         END AND c.version >= 0 AND c.ttl >= 0 AND c.expires >= 0 AND c.since >= 0
//!         AND (c.session IS NULL OR octet_length(c.session) = 16) AND octet_length(c.id) BETWEEN 1 AND 128
//!         AND encode(convert_to(c.id, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])' AND (c.value IS NULL OR octet_length(c.value) <= 4096 AND encode(convert_to(c.value, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])')) IS NOT TRUE
//! ```
//!
//! Rows that are there and would be granted are locked, and those that another has locked are skipped. What is seen to
//! be refused is not looked at again: no key is answered twice. The clock is read again once the lock is there, and
//! decides; what is written is computed from that reading. Keys without a row get one, in the order of their keys, so
//! that no two statements wait for one another. A key in no row of the answer was neither granted nor refused: it is asked
//! for again alone, by the statement above. Where a transaction that is still open has inserted one of the same keys, the
//! statement waits for that for 10 ms at most, and then fails as a whole: it is asked for again in halves, for up to 200 ms and
//! an eighth of the time that its candidates wait.
//!
//! `LATERAL` (here with `OFFSET 0`, which keeps it as it is) has each key looked up in the index, however large the
//! table was when the statement was planned. On connections of the storage's own no plan that reads the whole table is
//! considered: a plan made for three keys would be kept when there are ten thousand.
//!
//! ## A renewal
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     id = $3, value = $5, version = l.version + 1, ttl = greatest($4::bigint, least(l.expires - clock, l.ttl)), expires = clock + greatest($4::bigint, least(l.expires - clock, l.ttl))
//! WHERE l.ctid = (
//!     SELECT ctid FROM lessor_leases WHERE key = $1 AND session = $2 AND term = $6 AND expires > clock
//!     FOR NO KEY UPDATE SKIP LOCKED
//! ) AND l.key = $1
//! RETURNING l.version AS new_version, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)
//! ```
//!
//! It waits for nobody: it skips a locked row. Where it finds no row a look says why: the lease is no longer the
//! claimant's, or the row is locked. Then a statement follows that waits, alone:
//!
//! ```sql
//! WITH locked AS MATERIALIZED (
//!     SELECT l.key FROM lessor_leases AS l
//!     WHERE l.key = $2 AND l.session = $3 AND l.term = $7 AND l.expires > clock AND (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL FOR NO KEY UPDATE
//! ), got AS MATERIALIZED (
//!     SELECT key, clock AS now FROM locked
//! ), renewed AS (
//!     UPDATE lessor_leases AS l SET
//!         id = $4, value = $6, version = l.version + 1, ttl = greatest($5::bigint, least(l.expires - k.now, l.ttl)), expires = k.now + greatest($5::bigint, least(l.expires - k.now, l.ttl))
//!     FROM got AS k WHERE l.key = k.key AND l.expires > k.now
//!     RETURNING l.version, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)
//! )
//! SELECT n.version AS new_version, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, clock AS now
//! FROM (SELECT) AS one LEFT JOIN renewed AS n ON true LEFT JOIN lessor_leases AS l ON l.key = $2
//! ```
//!
//! The row is locked first, and the clock is read once the lock is there. A plain `UPDATE .. WHERE .. RETURNING` would
//! not do: after a wait PostgreSQL checks its conditions again only if the row has changed. After a transaction that
//! only held the lock, or rolled back, it would revive an expired lease. Rows that are not the claimant's are not
//! locked.
//!
//! Many renewals together, without a wait:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     id = k.id, value = k.value, version = l.version + 1, ttl = greatest(k.ttl, least(l.expires - k.now, l.ttl)), expires = k.now + greatest(k.ttl, least(l.expires - k.now, l.ttl))
//! FROM (
//!     SELECT c.key, c.id, c.ttl, c.value, c.place, k.at, clock AS now
//!     FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bigint[], $5::text[], $6::bigint[]) WITH ORDINALITY AS c (key, session, id, ttl, value, term, place), LATERAL (
//!         SELECT l.ctid AS at FROM lessor_leases AS l WHERE l.key = c.key AND l.session = c.session AND l.term = c.term
//!         FOR NO KEY UPDATE SKIP LOCKED
//!     ) AS k
//! ) AS k
//! WHERE l.ctid = k.at AND l.key = k.key AND l.expires > k.now
//! RETURNING k.place, l.version AS new_version, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)
//! ```
//!
//! One row after the other is locked, unless another has locked it, then the clock is read, and the row is written. (A
//! subquery that locks is never merged into the one around it, nor is one that reads the clock.) It is found again by
//! its place in the table (`ctid`), which stays as it is while the row is locked, and by its key: in a table in partitions
//! several rows have the same place, each in its own. Where the row had been written since
//! the statement began, that place is not visible to it: nothing is done, and the renewal is asked for again alone.
//!
//! ## A release
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     session = NULL, version = l.version + 1,
//!     id = coalesce($5::text, l.id), ttl = coalesce($6::bigint, l.ttl), expires = coalesce(clock + $6::bigint, 0)
//! WHERE l.key = $3 AND l.session = $4 AND (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL
//! RETURNING (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END), CASE WHEN $2::text IS NOT NULL THEN pg_notify($2, l.key)::text END
//! ```
//!
//! `$5` is for whom it reserves the key, `$6` for how long; NULL: for nobody. Only the session counts, also after a wait, since
//! PostgreSQL checks its conditions again if the row has changed. Where a lock was only held, the clock may have been read before the
//! wait: a reservation is then shorter by that, and never longer. Many together:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     session = NULL, version = l.version + 1,
//!     id = coalesce(k.successor, l.id), ttl = coalesce(k.within, l.ttl), expires = coalesce(k.now + k.within, 0)
//! FROM (
//!     SELECT c.key, c.successor, c.within, k.at, clock AS now
//!     FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[]) WITH ORDINALITY AS c (key, session, successor, within, place), LATERAL (
//!         SELECT l.ctid AS at FROM lessor_leases AS l WHERE l.key = c.key AND l.session = c.session
//!         FOR NO KEY UPDATE SKIP LOCKED
//!     ) AS k
//! ) AS k
//! WHERE l.ctid = k.at AND l.key = k.key
//! RETURNING l.key, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END), CASE WHEN $1::text IS NOT NULL THEN pg_notify($1, l.key)::text END
//! ```
//!
//! ## A revoke
//!
//! ```sql
//! WITH locked AS MATERIALIZED (
//!     SELECT l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value FROM lessor_leases AS l
//!     WHERE l.key = $3 AND l.session IS NOT NULL AND l.term = coalesce($4::bigint, l.term) AND (SELECT set_config('lock_timeout', $1, true)) IS NOT NULL
//!         AND ($6 OR l.session <> $5)
//!     FOR NO KEY UPDATE
//! ), revoked AS (
//!     UPDATE lessor_leases AS l SET
//!         session = CASE WHEN $6 THEN NULL ELSE $5::bytea END, expires = CASE WHEN $6 THEN 0 ELSE l.expires END,
//!         term = least(l.term + 1, 9007199254740991), version = l.version + 1, since = clock
//!     FROM locked AS k WHERE l.key = k.key
//!     RETURNING l.key, (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END), CASE WHEN $2::text IS NOT NULL THEN pg_notify($2, l.key)::text END
//! )
//! SELECT k.*, clock AS now FROM locked AS k JOIN revoked AS n ON n.key = k.key
//! ```
//!
//! `$5` is the session of nobody, 16 bytes of zero, which a lease has until it ends; with `$6` it ends at once.
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
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acquire;
mod address;
mod admit;
mod binding;
mod builder;
mod check;
mod error;
mod fences;
mod get;
mod held;
mod list;
mod opening;
mod release;
mod renew;
mod revoke;
mod row;
mod server;
mod setup;
mod statements;
mod storage;
mod table;
mod timeline;
mod wakeups;

pub use lessor_kit::error::AdapterError;
pub use lessor_kit::fence::NotAdmitted;
pub use lessor_kit::lane::Traffic;
pub use sqlx;

pub use address::Address;
pub use admit::admit;
pub use builder::PostgresBuilder;
pub use storage::PostgresStorage;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
