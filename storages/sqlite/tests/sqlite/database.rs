//! A file in a folder of its own, claims, and what is expected of answers.

use core::fmt::Debug;
use core::future::Future;
use core::pin::pin;
use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use futures::future::{Either, select};
use lessor::storage::{Acquired, Claim, ErrorKind, Release, Renewal, Renewed, Reply, Revoke, Session};
use lessor::{Id, Key, Storage, StorageError, StorageExt, SystemTimer, Term, Timer, Wakeups};
use lessor_sqlite::rusqlite::Connection;
use lessor_sqlite::{AdapterError, SqliteBuilder, SqliteStorage};
use tempfile::TempDir;

pub(crate) const TTL: Duration = Duration::from_secs(60);

/// One file in a folder of its own.
pub(crate) struct Database {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Database {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leases.db");
        Self { _folder: folder, path }
    }

    pub(crate) async fn storage(&self) -> SqliteStorage {
        self.storage_of(SqliteStorage::builder()).await
    }

    pub(crate) async fn storage_of(&self, builder: SqliteBuilder) -> SqliteStorage {
        let storage = builder.open(&self.path).await.unwrap();
        storage.migrate().await.unwrap();
        storage
    }

    pub(crate) fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// Another program that holds the write lock.
    pub(crate) fn locked(&self) -> Connection {
        let connection = self.raw();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// All that a write would change.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        (fs::read(&self.path).unwrap(), fs::read(self.path.with_file_name("leases.db-wal")).unwrap())
    }
}

pub(crate) fn impatient() -> SqliteBuilder {
    SqliteStorage::builder().busy_timeout(Duration::from_millis(20))
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

pub(crate) fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

pub(crate) fn claim(name: &str, session: u128) -> Claim {
    let id = Id::new(format!("node-{session}")).unwrap();
    Claim::new(key(name), id, Session::from_bits(session), TTL)
}

/// Of what this claim was granted.
pub(crate) fn renewal(claim: &Claim, term: Term) -> Renewal {
    let Claim { key, id, session, ttl, value, .. } = claim.clone();
    Renewal::new(key, id, session, term, ttl).value(value)
}

/// What frees a key at once, whoever holds it.
pub(crate) fn at_once(key: &Key) -> Revoke {
    Revoke::from(key).now(true)
}

/// Of what this claim was granted.
pub(crate) fn release(claim: &Claim) -> Release {
    Release::new(claim.key.clone(), claim.session)
}

#[track_caller]
pub(crate) fn granted(answer: Result<Acquired, StorageError>) -> Term {
    match answer.unwrap() {
        Acquired::Granted { term, .. } => term,
        other => panic!("not granted: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn held_by(answer: Result<Acquired, StorageError>) -> String {
    match answer.unwrap() {
        Acquired::Refused { lease: Some(lease), .. } => lease.id.unwrap().to_string(),
        other => panic!("not held: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn extended(answer: Result<Renewed, StorageError>) {
    assert!(matches!(answer, Ok(Renewed::Extended { .. })), "not extended: {answer:?}");
}

#[track_caller]
pub(crate) fn transient<T: Debug>(answer: Result<T, StorageError>) {
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Transient);
}

#[track_caller]
pub(crate) fn permanent<T: Debug>(answer: Result<T, StorageError>) {
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Permanent);
}

/// The answer to a claim in a batch.
#[track_caller]
pub(crate) fn acquired(answer: &Result<Reply, StorageError>) -> Result<Acquired, StorageError> {
    match answer.clone()? {
        Reply::Acquired(acquired) => Ok(acquired),
        other => panic!("no answer to a claim: {other:?}"),
    }
}

/// The key and the column of a row that cannot be read.
#[track_caller]
pub(crate) fn unreadable(error: &StorageError) -> (&str, &'static str) {
    assert_eq!(error.kind(), ErrorKind::Permanent);
    match AdapterError::of(error) {
        Some(AdapterError::Unreadable { key, field, .. }) => (key, field),
        _ => panic!("another error: {error}"),
    }
}

/// Subscribes, and answers when the storage has begun to watch: jobs are done in order.
pub(crate) async fn subscribed(storage: &SqliteStorage, name: &str) -> Wakeups {
    let wakeups = storage.subscribe(&key(name));
    storage.get(&key(name)).await.unwrap();
    wakeups
}

/// Fails where something that has to come does not. Nothing waits this long when all is well.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    match select(pin!(future), SystemTimer::new().sleep(Duration::from_secs(20))).await {
        Either::Left((output, _)) => output,
        Either::Right(_) => panic!("nothing came"),
    }
}
