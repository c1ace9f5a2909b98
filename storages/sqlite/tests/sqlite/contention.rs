//! Many connections at once.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Barrier;
use std::thread;

use futures::executor::block_on;
use lessor::StorageExt;
use lessor::storage::{Acquired, Claim, ErrorKind};
use lessor_sqlite::SqliteStorage;

use crate::database::{Database, claim, granted};

/// R5: 16 storages on one file, leases that hardly last: every grant has a term of its own, and none is skipped.
#[test]
fn every_grant_has_its_own_term_under_contention() {
    let database = Database::new();
    block_on(database.storage());
    let total = AtomicUsize::new(0);
    let barrier = Barrier::new(16);
    let contend = |session: u128| {
        let storage = block_on(database.storage());
        let Claim { key, id, session, .. } = claim("k", session);
        let mut claim = Claim::new(key, id, session, Duration::from_millis(5));
        let mut terms = Vec::new();
        barrier.wait();
        while total.load(Ordering::Relaxed) < 400 {
            match block_on(storage.acquire(claim.clone())) {
                Ok(Acquired::Granted { term, .. }) => {
                    terms.push(term.get());
                    claim.after = Some(term);
                    total.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Acquired::Refused { lease, .. }) => claim.after = lease.map(|lease| lease.term),
                Ok(other) => panic!("{other:?}"),
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
                // However slow the disk is: a claim waits for the lock as long as its storage, and a tenth of its ttl, at most.
                let patient = SqliteStorage::builder().busy_timeout(Duration::from_secs(60));
                let storage = database.storage_of(patient).await;
                let mut claim = claim(&format!("k{session}"), session);
                claim.ttl = Duration::from_secs(600);
                granted(storage.acquire(claim).await)
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
