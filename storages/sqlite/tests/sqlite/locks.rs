//! Who waits for whose lock, and for how long.

use core::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use lessor::storage::{Claim, ErrorKind, List, Request};
use lessor::{Storage, StorageExt, Term};
use lessor_sqlite::SqliteStorage;
use lessor_sqlite::rusqlite;

use crate::database::{
    Database, acquired, at_once, claim, extended, granted, held_by, impatient, key, release, renewal, soon, term,
    transient,
};

fn with_ttl(claim: Claim, ttl: Duration) -> Claim {
    let Claim { key, id, session, .. } = claim;
    Claim::new(key, id, session, ttl)
}

/// R13: a refused claim neither writes nor locks.
#[test]
fn a_refused_claim_neither_writes_nor_waits_for_a_lock() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        granted(leader.acquire(claim("k", 1)).await);

        let other = database.locked();
        let before = database.bytes();
        for _ in 0..100 {
            assert_eq!(held_by(follower.acquire(claim("k", 2)).await), "node-1");
        }
        let both = [claim("k", 2), claim("k", 3)].map(Request::from).to_vec();
        assert_eq!(held_by(acquired(&follower.call_all(both).await[0])), "node-1");
        assert_eq!(follower.get(&key("k")).await.unwrap().unwrap().term, Term::FIRST);
        assert_eq!(follower.list(List::new()).await.unwrap().entries.len(), 1);
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
        let mine = claim("k", 1);
        let first = granted(storage.acquire(mine.clone()).await);

        let other = database.locked();
        let error = storage.acquire(claim("free", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        let cause = error.get_ref().downcast_ref::<rusqlite::Error>().unwrap();
        assert_eq!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        transient(storage.renew(renewal(&mine, first)).await);
        transient(storage.release(release(&mine)).await);
        transient(storage.revoke(at_once(&mine.key)).await);
        transient(storage.check().await);
        other.execute_batch("ROLLBACK").unwrap();

        granted(storage.acquire(claim("free", 1)).await);
        extended(storage.renew(renewal(&mine, first)).await);
        storage.release(release(&mine)).await.unwrap();
        assert!(storage.revoke(at_once(&key("free"))).await.unwrap().is_some());
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
        let short = with_ttl(claim("k", 1), Duration::from_millis(100));
        transient(soon(patient.acquire(short.clone())).await);
        transient(soon(patient.renew(renewal(&short, Term::FIRST))).await);
        let long = with_ttl(claim("a", 1), Duration::from_secs(3600));
        transient(soon(patient.call_all(vec![long.into(), short.into()])).await.remove(0));
    });
}

/// In the older journal modes it is the commit that waits for readers, with its transaction open.
#[test]
fn a_failed_commit_leaves_no_transaction_open() {
    block_on(async {
        let database = Database::new();
        let storage = impatient().build(database.raw()).await.unwrap();
        storage.migrate().await.unwrap();
        let reader = database.raw();
        let mode: String = reader.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "delete", "your own connection keeps its mode");
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM lessor_leases", [], |_| Ok(())).unwrap();

        transient(storage.acquire(claim("k", 1)).await);
        // Nobody could get this lock if the transaction were still open.
        reader.execute_batch("COMMIT; BEGIN IMMEDIATE; ROLLBACK;").unwrap();
        assert_eq!(granted(storage.acquire(claim("k", 2)).await), term(1));
    });
}

/// What nobody waits for any more is not done when its turn comes.
#[test]
fn a_dropped_call_is_skipped_in_the_queue() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage_of(SqliteStorage::builder().busy_timeout(Duration::from_secs(60))).await;
        let other = database.locked();
        let mut waiting = Box::pin(storage.acquire(with_ttl(claim("first", 1), Duration::MAX)));
        assert!((&mut waiting).now_or_never().is_none());
        let mut dropped = Box::pin(storage.acquire(claim("late", 1)));
        assert!((&mut dropped).now_or_never().is_none());
        drop(dropped);
        other.execute_batch("ROLLBACK").unwrap();
        granted(soon(waiting).await);
        assert_eq!(storage.get(&key("late")).await.unwrap(), None);
    });
}
