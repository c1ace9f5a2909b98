//! Files, connections, tables and their names.

use core::time::Duration;
use std::fs;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt, SystemTimer, Timer};
use lessor_sqlite::rusqlite::Connection;
use lessor_sqlite::{AdapterError, SqliteStorage};

use crate::database::{Database, claim, extended, granted, held_by, key, permanent, release, renewal, soon, term};

#[test]
fn a_missing_table_says_what_to_do() {
    block_on(async {
        let database = Database::new();
        let storage = SqliteStorage::open(&database.path).await.unwrap();
        let error = storage.acquire(claim("k", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("lessor_leases") && error.to_string().contains("migrate()"), "{error}");
        let cause = AdapterError::of(&error).unwrap();
        assert!(matches!(cause, AdapterError::NoTable { table, .. } if table == "lessor_leases"), "{cause:?}");
        assert_eq!(storage.get(&key("k")).await.unwrap_err(), error);
        assert_eq!(storage.check().await.unwrap_err(), error);

        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        granted(storage.acquire(claim("k", 1)).await);
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

        let columns = "key TEXT PRIMARY KEY, session, id, term, version, expires, since, value";
        for (columns, problem) in [
            (columns.to_owned(), "ttl"),
            (format!("{columns}, ttl TEXT"), "ttl"),
            (format!("{columns}, ttl, owner NOT NULL"), "owner"),
            (format!("{columns}, ttl").replace(" since,", ""), "since"),
            (format!("{columns}, ttl").replace("PRIMARY KEY", ""), "ON CONFLICT"),
        ] {
            let sql = format!("DROP TABLE lessor_leases; CREATE TABLE lessor_leases ({columns})");
            raw.execute_batch(&sql).unwrap();
            let error = storage.check().await.unwrap_err();
            assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains(problem), "{error}");
        }
    });
}

/// A later version may need another table, and change it while this one runs.
#[test]
fn a_table_of_a_newer_layout_is_refused() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let mine = claim("k", 1);
        let term = granted(storage.acquire(mine.clone()).await);
        let create = SqliteStorage::builder().migration_sql();
        let (raw, rows) = (database.raw(), "INSERT INTO lessor_leases SELECT * FROM before; DROP TABLE before");
        let remake = |create: &str| {
            let sql = format!("ALTER TABLE lessor_leases RENAME TO before; {create}; {rows}");
            raw.execute_batch(&sql).unwrap();
        };
        for (found, create) in [
            ("2", create.replace("-- layout 1", "-- layout 2, with columns of which nobody knows")),
            ("4294967295", create.replace("-- layout 1", "-- layout 99999999999999999999")),
        ] {
            remake(&create);
            for error in [
                storage.renew(renewal(&mine, term)).await.unwrap_err(),
                storage.acquire(claim("free", 1)).await.unwrap_err(),
                storage.release(release(&mine)).await.unwrap_err(),
                storage.check().await.unwrap_err(),
                storage.migrate().await.unwrap_err(),
                SqliteStorage::open(&database.path).await.unwrap().check().await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Permanent);
                let cause = AdapterError::of(&error).unwrap();
                assert!(matches!(cause, AdapterError::WrongSetup { setting: "layout", found: is, .. } if is == found));
                assert!(error.to_string().contains("update this program"), "{error}");
            }
        }
        // Those that were made before layouts were told, by a tool that leaves comments out, or in place of a newer one.
        for create in [create.replace(" -- layout 1", ""), create.replace("-- layout 1", "-- layout"), create] {
            remake(&create);
            storage.migrate().await.unwrap();
            storage.check().await.unwrap();
            extended(storage.renew(renewal(&mine, term)).await);
        }
        let others = SqliteStorage::builder().table("others").unwrap().open(&database.path).await.unwrap();
        others.migrate().await.unwrap();
        granted(others.acquire(claim("k", 1)).await);
    });
}

#[test]
fn table_names_are_checked() {
    let long = "t".repeat(64);
    for name in ["", "1a", "Leases", "a-b", "a b", "a\"; DROP TABLE x; --", "sqlite_x", "é", "a\0", &long] {
        let error = SqliteStorage::builder().table(name).unwrap_err();
        assert!(
            matches!(&error, AdapterError::InvalidSetting { given: Some(given), .. } if given == name),
            "{error:?}"
        );
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
        granted(one.acquire(claim("k", 1)).await);
        assert_eq!(two.get(&key("k")).await.unwrap(), None);
        granted(two.acquire(claim("k", 2)).await);
        assert_eq!(held_by(one.acquire(claim("k", 2)).await), "node-1");
    });
}

#[test]
fn your_own_connection_and_migration() {
    block_on(async {
        let database = Database::new();
        let own = database.raw();
        own.execute_batch("CREATE TABLE jobs (id INTEGER PRIMARY KEY, term INTEGER)").unwrap();
        own.execute_batch(&SqliteStorage::builder().migration_sql()).unwrap();
        // A table that would hide the real one from a careless statement.
        own.execute_batch("CREATE TEMP TABLE lessor_leases (a)").unwrap();
        let storage = SqliteStorage::new(own).await.unwrap();
        storage.check().await.unwrap();
        granted(storage.acquire(claim("k", 1)).await);
        assert_eq!(held_by(database.storage().await.acquire(claim("k", 2)).await), "node-1");

        let error = SqliteStorage::new(database.locked()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("transaction"), "{error}");
    });
}

/// Programs that begin together all write at first, and none of them fails for that.
#[test]
fn the_beginning_waits_for_others() {
    let database = Database::new();
    for step in ["open", "migrate", "check"] {
        let begun = block_on(SqliteStorage::open(&database.path));
        let other = database.locked();
        let held = std::thread::spawn(move || {
            block_on(SystemTimer::new().sleep(Duration::from_millis(600)));
            other.execute_batch("COMMIT").unwrap();
        });
        match step {
            "open" => drop(block_on(SqliteStorage::open(&database.path)).unwrap()),
            "migrate" => block_on(begun.unwrap().migrate()).unwrap(),
            _ => block_on(begun.unwrap().check()).unwrap(),
        }
        held.join().unwrap();
    }
}

#[test]
fn a_database_in_memory_is_shared_by_clones() {
    block_on(async {
        let storage = SqliteStorage::open(":memory:").await.unwrap();
        storage.migrate().await.unwrap();
        let clone = storage.clone();
        let mine = claim("k", 1);
        let mut wakeups = clone.subscribe(&key("k"));
        let first = granted(storage.acquire(mine.clone()).await);
        soon(wakeups.next()).await.unwrap();
        assert_eq!(held_by(clone.acquire(claim("k", 2)).await), "node-1");
        extended(storage.renew(renewal(&mine, first)).await);
        assert_eq!(wakeups.next().now_or_never(), None);
        storage.release(release(&mine)).await.unwrap();
        soon(wakeups.next()).await.unwrap();

        let named = || Connection::open("file:named?mode=memory&cache=shared").unwrap();
        assert_eq!(named().path(), Some(""), "there is no directory to watch");
        let one = SqliteStorage::new(named()).await.unwrap();
        one.migrate().await.unwrap();
        let two = SqliteStorage::new(named()).await.unwrap();
        granted(one.acquire(claim("k", 1)).await);
        assert_eq!(held_by(two.acquire(claim("k", 2)).await), "node-1");
    });
}

/// R5: terms outlive everything that had the file open.
#[test]
fn terms_survive_a_restart() {
    block_on(async {
        let database = Database::new();
        for round in 1..=3 {
            let storage = database.storage().await;
            let after = storage.get(&key("k")).await.unwrap().map(|lease| lease.term);
            let claim = claim("k", u128::from(round)).after(after);
            assert_eq!(granted(storage.acquire(claim.clone()).await), term(round));
            storage.release(release(&claim)).await.unwrap();
        }
    });
}

/// What stands behind an unset variable: SQLite would make a database of this process alone, and each process would lead.
#[test]
fn a_database_that_nobody_named_is_refused() {
    block_on(async {
        for path in ["", " ", "file:", "file:?cache=shared", "file://", "file:?mode=rw", "file:#x"] {
            let error = SqliteStorage::open(path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permanent);
            let cause = AdapterError::of(&error);
            assert!(
                matches!(cause, Some(AdapterError::InvalidSetting { field: "path", given: Some(given), .. }) if given == path),
                "{path:?}: {error}"
            );
            assert!(error.to_string().contains("is a variable empty?"), "{error}");
        }
        let database = Database::new();
        drop(database.storage().await);
        let without_locks = format!("file:{}?nolock=1", database.path.display());
        let error = SqliteStorage::open(without_locks).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("nolock"), "{error}");
        for vfs in ["vfs=unix-none", "mode=rw&vfs=unix-none"] {
            let without_locks = format!("file:{}?{vfs}", database.path.display());
            let error = SqliteStorage::open(without_locks).await.unwrap_err();
            assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("without locks"), "{error}");
        }
        for path in
            [":memory:", "file::memory:", "file:x?mode=memory", "file::memory:?cache=shared", "file:/x?vfs=memdb"]
        {
            SqliteStorage::open(path).await.unwrap();
        }
    });
}

#[test]
fn what_cannot_be_opened_or_written_is_permanent() {
    block_on(async {
        let database = Database::new();
        let owner = database.storage().await;
        let mine = claim("k", 1);
        granted(owner.acquire(mine.clone()).await);

        permanent(SqliteStorage::open(database.path.with_file_name("no/such/directory.db")).await);
        let text = database.path.with_file_name("text.db");
        fs::write(&text, "no database, but long enough to have a header. ".repeat(100)).unwrap();
        permanent(SqliteStorage::open(text).await);

        let reader = SqliteStorage::open(format!("file:{}?mode=ro", database.path.display())).await.unwrap();
        assert!(reader.get(&key("k")).await.unwrap().unwrap().is_live());
        assert_eq!(held_by(reader.acquire(claim("k", 2)).await), "node-1");
        permanent(reader.acquire(claim("free", 2)).await);
        permanent(reader.release(release(&mine)).await);
        permanent(reader.revoke(&mine.key).await);
        permanent(reader.check().await);

        let own = database.raw();
        own.pragma_update(None, "query_only", true).unwrap();
        let storage = SqliteStorage::new(own).await.unwrap();
        permanent(storage.check().await);
        permanent(storage.acquire(claim("free", 2)).await);
        owner.check().await.unwrap();
    });
}

/// A crash in the middle of a commit would leave a torn file behind: in memory that is nobody's loss.
#[test]
fn a_journal_that_is_not_on_the_disk_is_refused() {
    block_on(async {
        for mode in ["OFF", "MEMORY"] {
            let database = Database::new();
            let own = database.raw();
            own.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
            let error = SqliteStorage::new(own).await.unwrap_err();
            let cause = AdapterError::of(&error);
            assert!(matches!(cause, Some(AdapterError::WrongSetup { setting: "journal_mode", .. })), "{error}");
            assert!(error.to_string().contains("set WAL"), "{error}");
            let memory = Connection::open_in_memory().unwrap();
            memory.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
            SqliteStorage::new(memory).await.unwrap();
        }
    });
}

/// SQLite says `unable to open database file`, whatever it is.
#[test]
fn what_cannot_be_opened_says_what_to_do() {
    block_on(async {
        let database = Database::new();
        drop(database.storage().await);
        let folder = database.path.parent().unwrap();
        let text = database.path.with_file_name("text.db");
        fs::write(&text, "no database, but long enough to have a header. ".repeat(100)).unwrap();
        for (path, says) in [
            (folder.join("no/such/folder/leases.db"), "create it"),
            (folder.to_path_buf(), "add the name of a file"),
            (text, "no SQLite database"),
        ] {
            let error = SqliteStorage::open(&path).await.unwrap_err();
            let cause = AdapterError::of(&error);
            assert!(matches!(cause, Some(AdapterError::WrongSetup { .. })), "{error}");
            assert!(error.to_string().contains(says) && error.kind() == ErrorKind::Permanent, "{error}");
        }
        let read_only = SqliteStorage::open(format!("file:{}?mode=ro", database.path.display())).await.unwrap();
        let error = read_only.check().await.unwrap_err();
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::NoRight { .. })), "{error}");
        assert!(error.to_string().contains("mode=ro"), "{error}");
    });
}

/// A builder keeps to what can be waited for.
#[test]
fn any_busy_timeout_will_do() {
    block_on(async {
        for timeout in [Duration::ZERO, Duration::MAX] {
            let storage = SqliteStorage::builder().busy_timeout(timeout).open(":memory:").await.unwrap();
            storage.migrate().await.unwrap();
            granted(storage.acquire(claim("k", 1)).await);
        }
    });
}
