//! What is in the table, and what is made of it.

use core::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Claim, List, Session};
use lessor::{Id, StorageExt, Term, Value};
use lessor_sqlite::SqliteStorage;

use crate::database::{Database, TTL, at_once, claim, extended, granted, key, release, renewal, term, unreadable};

#[test]
fn everything_written_is_read_back() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let (id, session) = (Id::new("i".repeat(128)).unwrap(), Session::from_bits(u128::MAX - 7));
        let value = Value::new("v".repeat(4096)).unwrap();
        let claim = Claim::new(key(&"ключ".repeat(32)), id, session, TTL).value(Some(value));
        granted(storage.acquire(claim.clone()).await);
        let lease = database.storage().await.get(&claim.key).await.unwrap().unwrap();
        assert_eq!((lease.id, lease.value, lease.ttl), (Some(claim.id.clone()), claim.value.clone(), TTL));
        assert!(lease.time_left <= TTL && lease.time_left > TTL / 2, "{:?}", lease.time_left);
        assert!(lease.age.unwrap() < TTL / 2, "{:?}", lease.age);

        // The row tells the time in milliseconds of this machine's clock.
        let sql = "SELECT expires, since, unixepoch() FROM lessor_leases";
        let row = database.raw().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let (expires, since, now): (i64, i64, i64) = row.unwrap();
        assert!((now + 30..=now + 61).contains(&(expires / 1000)), "{expires} ms is not a minute after {now} s");
        assert_eq!(expires - since, 60_000, "the term began when the lease was given for a minute");

        extended(storage.renew(renewal(&claim, Term::FIRST)).await);
        storage.release(release(&claim)).await.unwrap();
        let lease = storage.get(&claim.key).await.unwrap().unwrap();
        assert_eq!((lease.id, lease.version.get(), lease.time_left), (None, 3, Duration::ZERO));
        let sql = "SELECT since, id FROM lessor_leases";
        let kept = database.raw().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(kept, (since, claim.id.to_string()), "what a renewal and a release do not touch");
    });
}

/// An operator's word counts at once: the row is free, in a term of its own.
#[test]
fn what_is_revoked_is_free_in_a_new_term() {
    block_on(async {
        let database = Database::new();
        let (storage, operator) = (database.storage().await, database.storage().await);
        assert_eq!(operator.revoke(at_once(&key("k"))).await.unwrap(), None, "nobody had it");
        granted(storage.acquire(claim("k", 1)).await);
        let before = operator.revoke(at_once(&key("k"))).await.unwrap().unwrap();
        assert!(before.is_live() && before.term == term(1) && before.id.unwrap().as_str() == "node-1");
        let sql = "SELECT session IS NULL, term, version FROM lessor_leases";
        let row = database.raw().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        assert_eq!(row, (true, 2, 2));
        assert_eq!(operator.revoke(at_once(&key("k"))).await.unwrap(), None, "nobody has it any more");
        assert_eq!(granted(storage.acquire(claim("k", 2).after(Some(term(2)))).await), term(3));
    });
}

/// R16: no input panics.
#[test]
fn endless_durations_saturate() {
    block_on(async {
        let storage = SqliteStorage::open(":memory:").await.unwrap();
        storage.migrate().await.unwrap();
        let lasting = |name: &str, ttl| {
            let Claim { key, id, session, .. } = claim(name, 1);
            Claim::new(key, id, session, ttl)
        };
        let endless = lasting("k", Duration::MAX);
        granted(storage.acquire(endless.clone()).await);
        extended(storage.renew(renewal(&endless, Term::FIRST)).await);
        assert!(storage.get(&key("k")).await.unwrap().unwrap().is_live());
        let none = lasting("none", Duration::ZERO);
        granted(storage.acquire(none.clone()).await);
        assert_eq!(granted(storage.acquire(none.after(Some(Term::FIRST))).await), term(2));
    });
}

#[test]
fn a_row_that_cannot_be_read_is_an_error_that_names_the_column() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let raw = database.raw();
        let mine = claim("k", 1);
        for (column, value) in [
            ("session", "x'0102'"),
            ("id", "''"),
            ("id", "char(10)"),
            ("term", "0"),
            ("term", "9007199254740992"),
            ("version", "-1"),
            ("ttl", "-1"),
            ("expires", "-1"),
            ("since", "-1"),
            ("value", "printf('%5000d', 1)"),
        ] {
            granted(storage.acquire(mine.clone()).await);
            raw.execute(&format!("UPDATE lessor_leases SET {column} = {value}"), []).unwrap();
            let error = storage.acquire(claim("k", 2)).await.unwrap_err();
            assert_eq!(unreadable(&error), ("k", column));
            assert!(error.to_string().contains(&format!("its {column} is not")), "{error}");
            assert_eq!(storage.get(&key("k")).await.unwrap_err(), error);
            assert_eq!(storage.renew(renewal(&mine, Term::FIRST)).await.unwrap_err(), error);
            assert_eq!(storage.release(release(&mine)).await.unwrap_err(), error);
            assert_eq!(storage.revoke(at_once(&key("k"))).await.unwrap_err(), error);
            assert_eq!(storage.list(List::new()).await.unwrap_err(), error);
            // Nobody is granted it when its time is over, either.
            if column != "expires" {
                raw.execute("UPDATE lessor_leases SET expires = 1", []).unwrap();
            }
            assert_eq!(storage.acquire(claim("k", 2)).await.unwrap_err(), error);
            raw.execute("DELETE FROM lessor_leases", []).unwrap();
        }
        // Types that this table refuses, in one that does not. A row without a term is not the same as no row.
        let names = ["key", "session", "id", "term", "version", "ttl", "expires", "since", "value"];
        let columns = names.join(", ").replace("key", "key PRIMARY KEY");
        raw.execute_batch(&format!("DROP TABLE lessor_leases; CREATE TABLE lessor_leases ({columns})")).unwrap();
        for (column, value) in [
            (2, "NULL"),
            (2, "CAST(x'ff' AS TEXT)"),
            (3, "NULL"),
            (3, "'one'"),
            (3, "1.5"),
            (1, "'a text of sixteen'"),
            (7, "NULL"),
            (8, "x'ff'"),
        ] {
            let mut row = ["'k'", "NULL", "'node'", "1", "1", "1", "1", "1", "NULL"];
            row[column] = value;
            raw.execute_batch(&format!("REPLACE INTO lessor_leases VALUES ({})", row.join(", "))).unwrap();
            let error = storage.acquire(claim("k", 1)).await.unwrap_err();
            assert_eq!(unreadable(&error), ("k", names[column]), "{value}");
        }
    });
}
