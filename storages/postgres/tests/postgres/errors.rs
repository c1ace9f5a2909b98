//! What an error says.

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageError, StorageExt, Term};
use lessor_postgres::sqlx::postgres::PgPoolOptions;
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::postgres::{PASSWORD, Server, pool};
use smol::block_on;

use crate::{claim, granted, key, run};

/// It is permanent, and shows no secret.
fn permanent(error: StorageError) -> AdapterError {
    let shown = format!("{error} {error:?}");
    assert_eq!(error.kind(), ErrorKind::Permanent, "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("wr0ng"), "{shown}");
    AdapterError::of(&error).unwrap_or_else(|| panic!("{shown}")).clone()
}

fn code(error: StorageError) -> String {
    match permanent(error) {
        AdapterError::Refused { server: "PostgreSQL", code, .. } => code,
        other => panic!("{other}"),
    }
}

const TABLE: &str = r#""public"."lessor_leases""#;

#[test]
fn what_is_missing() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let storage = PostgresStorage::new(pool.clone());
        for error in [
            storage.check().await.unwrap_err(),
            storage.acquire(claim("k", 1)).await.unwrap_err(),
            storage.revoke(&key("k")).await.unwrap_err(),
            storage.list(lessor::storage::List::new()).await.unwrap_err(),
        ] {
            match permanent(error) {
                AdapterError::NoTable { table, remedy, .. } => {
                    assert!(table == TABLE && remedy.contains("migrate()"), "{table} {remedy}");
                }
                other => panic!("{other}"),
            }
        }
        storage.migrate().await.unwrap();

        let wrong = PostgresStorage::new(self::pool(server.options().password("wr0ng"), 1));
        assert_eq!(code(wrong.check().await.unwrap_err()), "28P01");
        let nowhere = PostgresStorage::new(self::pool(server.options().database("none"), 1));
        assert_eq!(code(nowhere.check().await.unwrap_err()), "3D000");

        let read_only = server.options().options([("default_transaction_read_only", "on")]);
        let read_only = PostgresStorage::new(self::pool(read_only, 1));
        for error in [read_only.check().await.unwrap_err(), read_only.acquire(claim("k", 1)).await.unwrap_err()] {
            assert!(matches!(permanent(error), AdapterError::ReadOnly { .. }));
        }

        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN value TO note").await;
        assert_eq!(code(storage.check().await.unwrap_err()), "42703");
        pool.close().await;
        assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Permanent);
    });
}

#[test]
fn what_is_forbidden() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        PostgresStorage::new(pool.clone()).migrate().await.unwrap();
        run(&pool, "CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT SELECT, INSERT ON lessor_leases TO reader").await;
        let reader = PostgresStorage::new(self::pool(server.options().username("reader").password("r"), 1));
        match permanent(reader.check().await.unwrap_err()) {
            AdapterError::NoRight { right, about, .. } => assert_eq!((right, &*about), (Some("UPDATE"), TABLE)),
            other => panic!("{other}"),
        }
        match permanent(reader.acquire(claim("k", 1)).await.unwrap_err()) {
            AdapterError::NoRight { right, about, .. } => {
                assert!(right.is_none() && about.contains("lessor_leases"), "{right:?} {about}");
            }
            other => panic!("{other}"),
        }
        reader.migrate().await.unwrap();
        run(&pool, "GRANT UPDATE ON lessor_leases TO reader").await;
        reader.check().await.unwrap();
        assert_eq!(granted(reader.acquire(claim("k", 1)).await), Term::FIRST);
    });
}

/// What another program wrote, and what the table does not take. Sessions stay out of both.
#[test]
fn what_does_not_fit() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let storage = PostgresStorage::new(pool.clone());
        storage.migrate().await.unwrap();
        let _ = granted(storage.acquire(claim("k", 1)).await);
        run(&pool, "UPDATE lessor_leases SET id = ''").await;
        for error in
            [storage.get(&key("k")).await.unwrap_err(), storage.list(lessor::storage::List::new()).await.unwrap_err()]
        {
            match permanent(error) {
                AdapterError::Unreadable { key, field, .. } => assert_eq!((&*key, field), ("k", "id")),
                other => panic!("{other}"),
            }
        }
        run(&pool, "DELETE FROM lessor_leases; ALTER TABLE lessor_leases ADD CHECK (session IS NULL)").await;
        let secret = 0x1122_3344_5566_7788;
        let error = storage.acquire(claim("new", secret)).await.unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.get_ref());
        assert!(shown.contains("23514") && !shown.contains("1122334455667788"), "{shown}");
        assert_eq!(code(error), "23514");
    });
}

/// What the program does with its own pool is no matter of the storage's.
#[test]
fn an_exhausted_pool() {
    let server = Server::start();
    block_on(async {
        let exhausted = PgPoolOptions::new().max_connections(1).connect_lazy_with(server.options());
        let held = exhausted.acquire().await.unwrap();
        let storage = PostgresStorage::new(&exhausted);
        storage.migrate().await.unwrap();
        let _ = granted(storage.acquire(claim("k", 1)).await);
        drop(held);
    });
}
