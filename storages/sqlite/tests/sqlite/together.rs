//! Requests of many candidates that wait for the thread at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use lessor::storage::{Acquired, Renewed};
use lessor::{StorageExt, Term};
use lessor_sqlite::SqliteStorage;

use crate::database::{Database, claim, granted, held_by, renewal};

/// How many pages were written since the file was opened, and not copied back yet.
fn written(database: &Database) -> i64 {
    database.raw().query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).unwrap()
}

/// They are a handful of commits: each one alone would write a page of its own, and wait for the disk.
#[test]
fn they_are_few_commits() {
    const KEYS: usize = 2_000;
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        database.raw().pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number:04}"), 1)).collect();
        for answer in join_all(claims.iter().map(|claim| storage.acquire(claim.clone()))).await {
            granted(answer);
        }
        let before = written(&database);
        let renewals = claims.iter().map(|claim| storage.renew(renewal(claim, Term::FIRST)));
        for answer in join_all(renewals).await {
            assert!(matches!(answer, Ok(Renewed::Extended { .. })), "{answer:?}");
        }
        let pages = written(&database) - before;
        assert!(pages < KEYS as i64 / 4, "{pages} pages for {KEYS} renewals");
    });
}

/// Those that wait for a lock equally long are together, whoever stands between them.
#[test]
fn of_different_ttls() {
    // So few that the log is not copied back and begun anew meanwhile.
    const KEYS: u32 = 200;
    block_on(async {
        let database = Database::new();
        let storage = database.storage_of(SqliteStorage::builder().busy_timeout(Duration::from_secs(60))).await;
        let ttl = |number: u32| Duration::from_secs(60 * u64::from(1 + number % 4));
        let claims: Vec<_> = (0..KEYS)
            .map(|number| {
                let mut claim = claim(&format!("{number:04}"), 1);
                claim.ttl = ttl(number);
                claim
            })
            .collect();
        for answer in join_all(claims.iter().map(|claim| storage.acquire(claim.clone()))).await {
            granted(answer);
        }
        let before = written(&database);
        let renewals = claims.iter().map(|claim| storage.renew(renewal(claim, Term::FIRST)));
        for answer in join_all(renewals).await {
            assert!(matches!(answer, Ok(Renewed::Extended { .. })), "{answer:?}");
        }
        let pages = written(&database) - before;
        assert!((0..i64::from(KEYS) / 2).contains(&pages), "{pages} pages for {KEYS} renewals");
    });
}

/// Of candidates for one key one is granted, and the others are refused by its row.
#[test]
fn the_same_key() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let claims = (1..=50).map(|session| storage.acquire(claim("k", session)));
        let answers = join_all(claims).await;
        let (grants, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| matches!(answer, Ok(Acquired::Granted { .. })));
        assert_eq!(grants.len(), 1);
        let holders: BTreeSet<_> = refused.into_iter().map(held_by).collect();
        assert_eq!(holders.len(), 1, "{holders:?}");
    });
}

/// An error about one key is no verdict on the keys of others.
#[test]
fn one_that_fails() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON lessor_leases WHEN new.key = '50' BEGIN SELECT RAISE(ABORT, 'no'); END";
        database.raw().execute_batch(refuse).unwrap();
        let claims: Vec<_> = (0..100).map(|number| claim(&number.to_string(), 1)).collect();
        let answers = join_all(claims.iter().map(|claim| storage.acquire(claim.clone()))).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.is_ok(), number != 50, "{number}: {answer:?}");
        }
    });
}
