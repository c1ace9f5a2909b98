use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use lessor::Storage;
use lessor_sqlite::SqliteStorage;
use lessor_sqlite::rusqlite::Connection;
use tempfile::TempDir;

use crate::hand_over::idle;
use crate::{Bare, all};

const CLOCK: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

struct Hand {
    connection: Connection,
    released: Sender<()>,
    acquired: Receiver<Instant>,
}

impl Hand {
    fn new(path: PathBuf) -> Self {
        let connection = connect(&path);
        let table = "CREATE TABLE hand (key TEXT PRIMARY KEY, owner TEXT NOT NULL, term INTEGER NOT NULL, version INTEGER NOT NULL, expires INTEGER NOT NULL)";
        connection.execute(table, ()).expect("a table");
        let (released, told) = channel();
        let (done, acquired) = channel();
        thread::spawn(move || {
            let connection = connect(&path);
            for () in told {
                take(&connection, "hand-over", "the other");
                if done.send(Instant::now()).is_err() {
                    break;
                }
            }
        });
        Self { connection, released, acquired }
    }
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a file");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 1000")
        .expect("WAL");
    connection
}

fn take(connection: &Connection, key: &str, owner: &str) {
    let sql = format!(
        "INSERT INTO hand AS h VALUES (?1, ?2, 1, 1, {CLOCK} + 30000) ON CONFLICT (key) DO UPDATE
         SET owner = excluded.owner, term = h.term + 1, version = h.version + 1, expires = {CLOCK} + 30000
         WHERE h.owner = excluded.owner OR h.expires < {CLOCK} RETURNING term"
    );
    let taken = connection.prepare_cached(&sql).and_then(|mut taken| taken.query_row((key, owner), |row| row.get(0)));
    let _: i64 = taken.expect("it is free");
}

impl Bare for Hand {
    async fn acquire(&mut self) {
        take(&self.connection, "k", "me");
    }

    async fn renew(&mut self) {
        let sql = format!(
            "UPDATE hand SET version = version + 1, expires = {CLOCK} + 30000 WHERE key = ?1 AND owner = ?2 AND expires > {CLOCK}"
        );
        let renewed = self.connection.prepare_cached(&sql).and_then(|mut renewed| renewed.execute(("k", "me")));
        assert_eq!(renewed, Ok(1));
    }

    async fn look(&mut self) {
        let looked = self.connection.prepare_cached("SELECT owner, term, expires FROM hand WHERE key = ?1");
        let row = |row: &lessor_sqlite::rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let _: (String, i64, i64) = looked.and_then(|mut looked| looked.query_row(["k"], row)).expect("a row");
    }

    async fn hand_over(&mut self) -> Duration {
        take(&self.connection, "hand-over", "the other");
        idle().await;
        let began = Instant::now();
        self.connection.execute("UPDATE hand SET expires = 0 WHERE key = 'hand-over'", ()).expect("it is held");
        self.released.send(()).expect("somebody waits");
        self.acquired.recv().expect("it acquires") - began
    }
}

pub(crate) async fn measure() {
    let folder = TempDir::new().expect("a folder");
    let storage = async || SqliteStorage::open(folder.path().join("leases.db")).await.expect("a file");
    let [one, other] = [storage().await, storage().await];
    one.migrate().await.expect("a table");
    one.check().await.expect("it is there");
    let mut hand = Hand::new(folder.path().join("hand.db"));
    // Two storages of one process, and one storage in two hands: files are watched in the first case.
    all("SQLite", [one.clone(), other], &mut hand).await;
}
