//! The SQLite adapter: what it promises beyond the contract of every storage.
use core::error::Error as _;
use core::fmt::Debug;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use futures::executor::block_on;
use futures::future::{Either, select};
use futures::{FutureExt, StreamExt};
use lessor::storage::DuplicateKey;
use lessor::storage::sqlite::rusqlite::{self, Connection};
use lessor::storage::sqlite::{MissingTable, SqliteBuilder, UnreadableRow};
use lessor::{
    Acquired, Claim, ErrorKind, Holder, Key, Renewed, Session, SqliteStorage, Storage, StorageError, SystemTimer,
    Takeover, Term, Timer, Value, Wakeups,
};
use tempfile::TempDir;

const TTL: Duration = Duration::from_secs(60);

/// One file in a directory of its own.
struct Database {
    _directory: TempDir,
    path: PathBuf,
}

impl Database {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leases.db");
        Self { _directory: directory, path }
    }

    async fn storage(&self) -> SqliteStorage {
        self.storage_of(SqliteStorage::builder()).await
    }

    async fn storage_of(&self, builder: SqliteBuilder) -> SqliteStorage {
        let storage = builder.open(&self.path).await.unwrap();
        storage.migrate().await.unwrap();
        storage
    }

    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// Another program that holds the write lock.
    fn locked(&self) -> Connection {
        let connection = self.raw();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// All that a write would change.
    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        (fs::read(&self.path).unwrap(), fs::read(self.path.with_file_name("leases.db-wal")).unwrap())
    }
}

fn impatient() -> SqliteBuilder {
    SqliteStorage::builder().busy_timeout(Duration::from_millis(20))
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn claim(name: &str, session: u128) -> Claim {
    Claim {
        key: key(name),
        holder: Holder::new(format!("node-{session}")).unwrap(),
        session: Session::from_bits(session),
        ttl: TTL,
        value: None,
        after: None,
        takeover: Takeover::Expired,
    }
}

fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

#[track_caller]
fn granted(answer: Result<Acquired, StorageError>) -> Term {
    match answer.unwrap() {
        Acquired::Granted { term, .. } => term,
        held @ Acquired::Held { .. } => panic!("not granted: {held:?}"),
    }
}

#[track_caller]
fn held_by(answer: Result<Acquired, StorageError>) -> String {
    match answer.unwrap() {
        Acquired::Held { lease: Some(lease), .. } => lease.holder.unwrap().to_string(),
        other => panic!("not held: {other:?}"),
    }
}

#[track_caller]
fn extended(answer: Result<Renewed, StorageError>) {
    assert!(matches!(answer, Ok(Renewed::Extended { .. })), "not extended: {answer:?}");
}

#[track_caller]
fn transient<T: Debug>(answer: Result<T, StorageError>) {
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Transient);
}

#[track_caller]
fn permanent<T: Debug>(answer: Result<T, StorageError>) {
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Permanent);
}

/// Subscribes, and answers when the storage has begun to watch: jobs are done in order.
async fn subscribed(storage: &SqliteStorage, name: &str) -> Wakeups {
    let wakeups = storage.subscribe(&key(name));
    storage.get(&key(name)).await.unwrap();
    wakeups
}

/// Fails where something that has to come does not. Nothing waits this long when all is well.
async fn soon<F: Future>(future: F) -> F::Output {
    match select(pin!(future), SystemTimer::new().sleep(Duration::from_secs(20))).await {
        Either::Left((output, _)) => output,
        Either::Right(_) => panic!("nothing came"),
    }
}

/// R13: a refused claim neither writes nor locks.
#[test]
fn a_refused_claim_neither_writes_nor_waits_for_a_lock() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        granted(leader.acquire(&claim("k", 1)).await);

        let other = database.locked();
        let before = database.bytes();
        for _ in 0..100 {
            assert_eq!(held_by(follower.acquire(&claim("k", 2)).await), "node-1");
        }
        let both = follower.acquire_all(&[claim("k", 2), claim("k", 3)]).await;
        assert_eq!(held_by(both[0].clone()), "node-1");
        assert_eq!(follower.get(&key("k")).await.unwrap().unwrap().term, Term::FIRST);
        assert!(before == database.bytes(), "something was written");
        drop(other);
    });
}

/// R14: somebody else's lock costs an operation, and nothing beyond.
#[test]
fn a_long_lock_is_a_transient_error_and_heals() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage_of(impatient()).await;
        let first = granted(storage.acquire(&claim("k", 1)).await);

        let other = database.locked();
        let error = storage.acquire(&claim("free", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        let cause = error.get_ref().downcast_ref::<rusqlite::Error>().unwrap();
        assert_eq!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        transient(storage.renew(&claim("k", 1), first).await);
        transient(storage.release(&key("k"), Session::from_bits(1)).await);
        transient(storage.check().await);
        other.execute_batch("ROLLBACK").unwrap();

        granted(storage.acquire(&claim("free", 1)).await);
        extended(storage.renew(&claim("k", 1), first).await);
        storage.release(&key("k"), Session::from_bits(1)).await.unwrap();
        storage.check().await.unwrap();
    });
}

/// R14: a lock is waited for no longer than a candidate waits for its answer.
#[test]
fn a_short_ttl_shortens_the_wait() {
    block_on(async {
        let database = Database::new();
        let patient = database.storage_of(SqliteStorage::builder().busy_timeout(Duration::MAX)).await;
        let _other = database.locked();
        let short = Claim { ttl: Duration::from_millis(100), ..claim("k", 1) };
        transient(soon(patient.acquire(&short)).await);
        transient(soon(patient.renew(&short, Term::FIRST)).await);
        let long = Claim { ttl: Duration::from_secs(3600), ..claim("a", 1) };
        transient(soon(patient.acquire_all(&[long, short])).await.remove(0));
    });
}

/// In the older journal modes it is the commit that waits for readers, with its transaction open.
#[test]
fn a_failed_commit_leaves_no_transaction_open() {
    block_on(async {
        let database = Database::new();
        let storage = impatient().connection(database.raw()).await.unwrap();
        storage.migrate().await.unwrap();
        let reader = database.raw();
        let mode: String = reader.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "delete", "your own connection keeps its mode");
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM lessor_leases", [], |_| Ok(())).unwrap();

        transient(storage.acquire(&claim("k", 1)).await);
        // Nobody could get this lock if the transaction were still open.
        reader.execute_batch("COMMIT; BEGIN IMMEDIATE; ROLLBACK;").unwrap();
        assert_eq!(granted(storage.acquire(&claim("k", 2)).await), Term::FIRST);
    });
}

#[test]
fn a_missing_table_says_what_to_do() {
    block_on(async {
        let database = Database::new();
        let storage = SqliteStorage::open(&database.path).await.unwrap();
        let error = storage.acquire(&claim("k", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("lessor_leases") && error.to_string().contains("migrate()"), "{error}");
        assert_eq!(error.get_ref().downcast_ref::<MissingTable>().unwrap().table, "lessor_leases");
        assert!(error.source().unwrap().is::<rusqlite::Error>());
        assert_eq!(storage.get(&key("k")).await.unwrap_err(), error);
        assert_eq!(storage.check().await.unwrap_err(), error);

        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        granted(storage.acquire(&claim("k", 1)).await);
        storage.migrate().await.unwrap();
        assert!(storage.get(&key("k")).await.unwrap().unwrap().is_live());
    });
}

/// The check leaves nothing behind, and sees what only a write can show.
#[test]
fn a_check_finds_what_is_wrong_with_a_table() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        storage.check().await.unwrap();
        let raw = database.raw();
        let rows: i64 = raw.query_row("SELECT count(*) FROM lessor_leases", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);

        let columns = "key TEXT PRIMARY KEY, session, holder, term, version, expires, value";
        for (columns, problem) in [
            (columns.to_owned(), "ttl"),
            (format!("{columns}, ttl TEXT"), "ttl"),
            (format!("{columns}, ttl, owner NOT NULL"), "owner"),
            (format!("{columns}, ttl").replace("PRIMARY KEY", ""), "ON CONFLICT"),
        ] {
            let sql = format!("DROP TABLE lessor_leases; CREATE TABLE lessor_leases ({columns})");
            raw.execute_batch(&sql).unwrap();
            let error = storage.check().await.unwrap_err();
            assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains(problem), "{error}");
        }
    });
}

#[test]
fn table_names_are_checked() {
    let long = "t".repeat(64);
    for name in ["", "1a", "Leases", "a-b", "a b", "a\"; DROP TABLE x; --", "sqlite_x", "é", "a\0", &long] {
        let error = SqliteStorage::builder().table(name).unwrap_err();
        assert_eq!(error.given, name);
        assert!(error.to_string().starts_with(&format!("table {name:?} is not allowed: 1 to 63 of a-z")), "{error}");
    }
    for name in ["a", "_", "order", "t2_", &"t".repeat(63)] {
        block_on(async {
            let builder = SqliteStorage::builder().table(name).unwrap();
            let storage = builder.open(":memory:").await.unwrap();
            storage.migrate().await.unwrap();
            storage.check().await.unwrap();
        });
    }
}

#[test]
fn two_tables_of_one_file_are_independent() {
    block_on(async {
        let database = Database::new();
        let one = database.storage().await;
        let two = database.storage_of(SqliteStorage::builder().table("others").unwrap()).await;
        granted(one.acquire(&claim("k", 1)).await);
        assert_eq!(two.get(&key("k")).await.unwrap(), None);
        granted(two.acquire(&claim("k", 2)).await);
        assert_eq!(held_by(one.acquire(&claim("k", 2)).await), "node-1");
    });
}

#[test]
fn your_own_connection_and_schema() {
    block_on(async {
        let database = Database::new();
        let own = database.raw();
        own.execute_batch("CREATE TABLE jobs (id INTEGER PRIMARY KEY, term INTEGER)").unwrap();
        own.execute_batch(&SqliteStorage::builder().schema()).unwrap();
        // A table that would hide the real one from a careless statement.
        own.execute_batch("CREATE TEMP TABLE lessor_leases (a)").unwrap();
        let storage = SqliteStorage::from_connection(own).await.unwrap();
        storage.check().await.unwrap();
        granted(storage.acquire(&claim("k", 1)).await);
        assert_eq!(held_by(database.storage().await.acquire(&claim("k", 2)).await), "node-1");

        let error = SqliteStorage::from_connection(database.locked()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("transaction"), "{error}");
    });
}

#[test]
fn a_database_in_memory_is_shared_by_clones() {
    block_on(async {
        let storage = SqliteStorage::open(":memory:").await.unwrap();
        storage.migrate().await.unwrap();
        let clone = storage.clone();
        let mut wakeups = clone.subscribe(&key("k"));
        let first = granted(storage.acquire(&claim("k", 1)).await);
        soon(wakeups.next()).await.unwrap();
        assert_eq!(held_by(clone.acquire(&claim("k", 2)).await), "node-1");
        extended(storage.renew(&claim("k", 1), first).await);
        assert_eq!(wakeups.next().now_or_never(), None);
        storage.release(&key("k"), Session::from_bits(1)).await.unwrap();
        soon(wakeups.next()).await.unwrap();

        let named = || Connection::open("file:named?mode=memory&cache=shared").unwrap();
        assert_eq!(named().path(), Some(""), "there is no directory to watch");
        let one = SqliteStorage::from_connection(named()).await.unwrap();
        one.migrate().await.unwrap();
        let two = SqliteStorage::from_connection(named()).await.unwrap();
        granted(one.acquire(&claim("k", 1)).await);
        assert_eq!(held_by(two.acquire(&claim("k", 2)).await), "node-1");
    });
}

#[test]
fn everything_written_is_read_back() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let claim = Claim {
            key: key(&"ключ".repeat(32)),
            holder: Holder::new("i".repeat(128)).unwrap(),
            session: Session::from_bits(u128::MAX - 7),
            value: Some(Value::new("v".repeat(4096)).unwrap()),
            ..claim("k", 1)
        };
        granted(storage.acquire(&claim).await);
        let lease = database.storage().await.get(&claim.key).await.unwrap().unwrap();
        assert_eq!((lease.holder, lease.value, lease.ttl), (Some(claim.holder.clone()), claim.value.clone(), TTL));
        assert!(lease.time_left <= TTL && lease.time_left > TTL / 2, "{:?}", lease.time_left);

        // The row tells the time in milliseconds of this machine's clock.
        let sql = "SELECT expires, unixepoch() FROM lessor_leases";
        let (expires, now): (i64, i64) =
            database.raw().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert!((now + 30..=now + 61).contains(&(expires / 1000)), "{expires} ms is not a minute after {now} s");

        extended(storage.renew(&claim, Term::FIRST).await);
        storage.release(&claim.key, claim.session).await.unwrap();
        let lease = storage.get(&claim.key).await.unwrap().unwrap();
        assert_eq!((lease.holder, lease.version.get(), lease.time_left), (None, 3, Duration::ZERO));
    });
}

/// R16: no input panics.
#[test]
fn endless_durations_saturate() {
    block_on(async {
        let storage = SqliteStorage::open(":memory:").await.unwrap();
        storage.migrate().await.unwrap();
        let endless = Claim { ttl: Duration::MAX, ..claim("k", 1) };
        granted(storage.acquire(&endless).await);
        extended(storage.renew(&endless, Term::FIRST).await);
        assert!(storage.get(&key("k")).await.unwrap().unwrap().is_live());
        let none = Claim { ttl: Duration::ZERO, ..claim("none", 1) };
        granted(storage.acquire(&none).await);
        assert_eq!(granted(storage.acquire(&Claim { after: Some(Term::FIRST), ..none }).await), term(2));
    });
}

#[test]
fn batches_answer_in_order_and_each_key_for_itself() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        granted(storage.acquire(&claim("held", 9)).await);
        granted(storage.acquire(&claim("broken", 9)).await);
        database.raw().execute("UPDATE lessor_leases SET term = 0 WHERE key = 'broken'", []).unwrap();

        let claims = ["a", "held", "a", "broken", "b"].map(|name| claim(name, 1));
        let answers = storage.acquire_all(&claims).await;
        assert_eq!(answers.len(), 5);
        assert_eq!(granted(answers[0].clone()), Term::FIRST);
        assert_eq!(held_by(answers[1].clone()), "node-9");
        let twice = answers[2].clone().unwrap_err();
        assert_eq!(twice.get_ref().downcast_ref::<DuplicateKey>(), Some(&DuplicateKey(key("a"))));
        assert!(answers[3].clone().unwrap_err().get_ref().is::<UnreadableRow>());
        assert_eq!(granted(answers[4].clone()), Term::FIRST);

        let renewals = claims.clone().map(|claim| (claim, Term::FIRST));
        let answers = storage.renew_all(&renewals).await;
        extended(answers[0].clone());
        assert!(matches!(answers[1], Ok(Renewed::Lost(Some(_)))) && answers[2].is_err() && answers[3].is_err());
        extended(answers[4].clone());

        let keys = claims.clone().map(|claim| claim.key);
        let answers = storage.get_all(&keys).await;
        let terms = answers.into_iter().map(|answer| Some(answer.ok()??.term.get()));
        assert_eq!(terms.collect::<Vec<_>>(), [Some(1), Some(1), None, None, Some(1)]);

        let releases = claims.map(|claim| (claim.key, claim.session));
        let answers = storage.release_all(&releases).await;
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false, true]);
        assert_eq!(storage.get(&key("b")).await.unwrap().unwrap().holder, None);
        assert!(storage.get(&key("held")).await.unwrap().unwrap().holder.is_some());
        assert!(storage.acquire_all(&[]).await.is_empty());
    });
}

/// A transaction that fails is an error for the keys that it covered, and no verdict on the others.
#[test]
fn a_failed_batch_fails_for_what_it_covered() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage_of(impatient()).await;
        granted(storage.acquire(&claim("held", 9)).await);
        let claims = ["a", "held", "b"].map(|name| claim(name, 1));

        let other = database.locked();
        let answers = storage.acquire_all(&claims).await;
        transient(answers[0].clone());
        assert_eq!(held_by(answers[1].clone()), "node-9");
        assert_eq!(answers[2], answers[0]);
        other.execute_batch("ROLLBACK").unwrap();

        // Half-way through the batch the table's owner refuses a row.
        let sql = "CREATE TRIGGER no_b BEFORE INSERT ON lessor_leases WHEN new.key = 'b'
                   BEGIN SELECT raise(ABORT, 'not b'); END";
        other.execute_batch(sql).unwrap();
        let answers = storage.acquire_all(&claims).await;
        permanent(answers[0].clone());
        assert_eq!(held_by(answers[1].clone()), "node-9");
        assert_eq!(answers[2], answers[0]);
        assert_eq!(storage.get(&key("a")).await.unwrap(), None, "half a transaction was kept");
        granted(storage.acquire(&claim("a", 1)).await);
    });
}

/// R13: a grant and a release wake the followers, a renewal does not.
#[test]
fn followers_of_other_storages_are_woken() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        let mut wakeups = subscribed(&follower, "k").await;
        let mut others = subscribed(&follower, "other").await;

        let first = granted(leader.acquire(&claim("k", 1)).await);
        soon(wakeups.next()).await.unwrap();
        assert_eq!(held_by(follower.acquire(&claim("k", 2)).await), "node-1");

        for _ in 0..10 {
            extended(leader.renew(&claim("k", 1), first).await);
        }
        granted(leader.acquire(&claim("other", 1)).await);
        soon(others.next()).await.unwrap();
        assert_eq!(wakeups.next().now_or_never(), None, "a renewal wakes nobody");

        leader.release(&key("k"), Session::from_bits(1)).await.unwrap();
        soon(wakeups.next()).await.unwrap();
        assert_eq!(others.next().now_or_never(), None, "the other key's followers sleep on");
        let again = Claim { after: Some(first), ..claim("k", 2) };
        assert_eq!(granted(follower.acquire(&again).await), term(2));
    });
}

/// What this storage committed itself is no news to it when it looks what others did.
#[test]
fn own_commits_wake_once() {
    block_on(async {
        let database = Database::new();
        let (one, two) = (database.storage().await, database.storage().await);
        let mut wakeups = subscribed(&one, "k").await;
        let mut others = subscribed(&one, "other").await;
        granted(one.acquire(&claim("k", 1)).await);
        soon(wakeups.next()).await.unwrap();
        granted(two.acquire(&claim("other", 2)).await);
        soon(others.next()).await.unwrap();
        assert_eq!(wakeups.next().now_or_never(), None);
    });
}

/// A wake-up that came before the change can be seen would be lost: the look that it causes would find nothing.
#[test]
fn a_wake_up_comes_when_the_change_can_be_seen() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        let mut wakeups = subscribed(&follower, "k").await;
        for round in 1..=50 {
            let after = Term::new(round - 1);
            assert_eq!(granted(leader.acquire(&Claim { after, ..claim("k", 1) }).await), term(round));
            soon(wakeups.next()).await.unwrap();
            assert_eq!(follower.get(&key("k")).await.unwrap().unwrap().term, term(round));
            leader.release(&key("k"), Session::from_bits(1)).await.unwrap();
            soon(wakeups.next()).await.unwrap();
            assert_eq!(follower.get(&key("k")).await.unwrap().unwrap().holder, None);
        }
    });
}

/// Another's long read does not keep wake-ups back, and neither does the journal mode.
#[test]
fn wake_ups_pass_readers_and_come_in_every_journal_mode() {
    block_on(async {
        for mode in ["wal", "delete", "truncate"] {
            let database = Database::new();
            let own = || {
                let connection = database.raw();
                connection.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
                connection
            };
            let leader = SqliteStorage::from_connection(own()).await.unwrap();
            leader.migrate().await.unwrap();
            let follower = SqliteStorage::from_connection(own()).await.unwrap();
            let mut wakeups = subscribed(&follower, "k").await;
            let reader = own();
            if mode == "wal" {
                reader.execute_batch("BEGIN").unwrap();
                reader.query_row("SELECT count(*) FROM lessor_leases", [], |_| Ok(())).unwrap();
            }
            granted(leader.acquire(&claim("k", 1)).await);
            soon(wakeups.next()).await.unwrap();
        }
    });
}

/// What a process leaves behind that died between making and removing its signal does not silence the others.
#[test]
fn a_signal_left_behind_is_no_obstacle() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        let signal = database.path.with_file_name("leases.db-lessor-turn");
        fs::write(&signal, "").unwrap();
        let mut wakeups = subscribed(&follower, "k").await;
        granted(leader.acquire(&claim("k", 1)).await);
        soon(wakeups.next()).await.unwrap();
        assert!(!signal.exists());

        fs::write(&signal, "somebody's own").unwrap();
        leader.release(&key("k"), Session::from_bits(1)).await.unwrap();
        assert_eq!(fs::read(&signal).unwrap(), b"somebody's own");
    });
}

#[test]
fn a_row_that_cannot_be_read_is_an_error_that_names_the_column() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let raw = database.raw();
        for (column, value) in [
            ("session", "x'0102'"),
            ("holder", "''"),
            ("holder", "char(10)"),
            ("term", "0"),
            ("term", "9007199254740992"),
            ("version", "-1"),
            ("ttl", "-1"),
            ("expires", "-1"),
            ("value", "printf('%5000d', 1)"),
        ] {
            granted(storage.acquire(&claim("k", 1)).await);
            raw.execute(&format!("UPDATE lessor_leases SET {column} = {value}"), []).unwrap();
            let error = storage.acquire(&claim("k", 2)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permanent);
            let row = error.get_ref().downcast_ref::<UnreadableRow>().unwrap();
            assert_eq!((row.key.as_str(), row.column), ("k", column));
            assert!(error.to_string().contains(&format!("column {column} holds")), "{error}");
            assert_eq!(storage.get(&key("k")).await.unwrap_err(), error);
            assert_eq!(storage.renew(&claim("k", 1), Term::FIRST).await.unwrap_err(), error);
            assert_eq!(storage.release(&key("k"), Session::from_bits(1)).await.unwrap_err(), error);
            raw.execute("DELETE FROM lessor_leases", []).unwrap();
        }
        // Types that this table refuses, in one that does not. A row without a term is not the same as no row.
        let names = ["key", "session", "holder", "term", "version", "ttl", "expires", "value"];
        let columns = names.join(", ").replace("key", "key PRIMARY KEY");
        raw.execute_batch(&format!("DROP TABLE lessor_leases; CREATE TABLE lessor_leases ({columns})")).unwrap();
        for (column, value) in [(2, "NULL"), (3, "NULL"), (3, "'one'"), (1, "'a text of sixteen'"), (7, "x'ff'")] {
            let mut row = ["'k'", "NULL", "'node'", "1", "1", "1", "1", "NULL"];
            row[column] = value;
            raw.execute_batch(&format!("REPLACE INTO lessor_leases VALUES ({})", row.join(", "))).unwrap();
            let error = storage.acquire(&claim("k", 1)).await.unwrap_err();
            assert_eq!(error.get_ref().downcast_ref::<UnreadableRow>().unwrap().column, names[column]);
        }
    });
}

/// R5: 16 storages on one file, leases that hardly last: every grant has a term of its own, and none is skipped.
#[test]
fn every_grant_has_its_own_term_under_contention() {
    let database = Database::new();
    block_on(database.storage());
    let total = AtomicUsize::new(0);
    let barrier = Barrier::new(16);
    let contend = |session: u128| {
        let storage = block_on(database.storage());
        let mut claim = Claim { ttl: Duration::from_millis(5), ..claim("k", session) };
        let mut terms = Vec::new();
        barrier.wait();
        while total.load(Ordering::Relaxed) < 400 {
            match block_on(storage.acquire(&claim)) {
                Ok(Acquired::Granted { term, .. }) => {
                    terms.push(term.get());
                    claim.after = Some(term);
                    total.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Acquired::Held { lease, .. }) => claim.after = lease.map(|lease| lease.term),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
            }
        }
        assert!(terms.is_sorted_by(|a, b| a < b), "{terms:?}");
        terms
    };
    let contend = &contend;
    let mut terms: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=16).map(|session| scope.spawn(move || contend(session))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    terms.sort_unstable();
    let count = u64::try_from(terms.len()).unwrap();
    assert_eq!(terms, (1..=count).collect::<Vec<_>>());
}

/// Processes that start together find each other switching a new file to WAL mode.
#[test]
fn many_may_open_and_migrate_a_new_file_at_once() {
    for _ in 0..10 {
        let database = Database::new();
        let barrier = Barrier::new(16);
        let start = |session: u128| {
            barrier.wait();
            block_on(async {
                let patient = SqliteStorage::builder().busy_timeout(Duration::from_secs(10));
                let storage = database.storage_of(patient).await;
                granted(storage.acquire(&claim(&format!("k{session}"), session)).await)
            })
        };
        let start = &start;
        thread::scope(|scope| {
            for session in 1..=16 {
                scope.spawn(move || start(session));
            }
        });
        let mode: String = database.raw().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}

/// R5: terms outlive everything that had the file open.
#[test]
fn terms_survive_a_restart() {
    block_on(async {
        let database = Database::new();
        for round in 1..=3 {
            let storage = database.storage().await;
            let after = storage.get(&key("k")).await.unwrap().map(|lease| lease.term);
            let claim = Claim { after, ..claim("k", u128::from(round)) };
            assert_eq!(granted(storage.acquire(&claim).await), term(round));
            storage.release(&claim.key, claim.session).await.unwrap();
        }
    });
}

#[test]
fn what_cannot_be_opened_or_written_is_permanent() {
    block_on(async {
        let database = Database::new();
        let owner = database.storage().await;
        granted(owner.acquire(&claim("k", 1)).await);

        permanent(SqliteStorage::open(database.path.with_file_name("no/such/directory.db")).await);
        let text = database.path.with_file_name("text.db");
        fs::write(&text, "no database, but long enough to have a header. ".repeat(100)).unwrap();
        permanent(SqliteStorage::open(text).await);

        let reader = SqliteStorage::open(format!("file:{}?mode=ro", database.path.display())).await.unwrap();
        assert!(reader.get(&key("k")).await.unwrap().unwrap().is_live());
        assert_eq!(held_by(reader.acquire(&claim("k", 2)).await), "node-1");
        permanent(reader.acquire(&claim("free", 2)).await);
        permanent(reader.release(&key("k"), Session::from_bits(1)).await);
        permanent(reader.check().await);

        let own = database.raw();
        own.pragma_update(None, "query_only", true).unwrap();
        let storage = SqliteStorage::from_connection(own).await.unwrap();
        permanent(storage.check().await);
        permanent(storage.acquire(&claim("free", 2)).await);
        owner.check().await.unwrap();
    });
}

/// What nobody waits for any more is not done when its turn comes.
#[test]
fn a_dropped_call_is_skipped_in_the_queue() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage_of(SqliteStorage::builder().busy_timeout(Duration::from_secs(60))).await;
        let other = database.locked();
        let (first, late) = (Claim { ttl: Duration::MAX, ..claim("first", 1) }, claim("late", 1));
        let mut waiting = storage.acquire(&first);
        assert!((&mut waiting).now_or_never().is_none());
        let mut dropped = storage.acquire(&late);
        assert!((&mut dropped).now_or_never().is_none());
        drop(dropped);
        other.execute_batch("ROLLBACK").unwrap();
        granted(soon(waiting).await);
        assert_eq!(storage.get(&key("late")).await.unwrap(), None);
    });
}
