//! The version of the table, which its comment tells.

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt};
use lessor_postgres::sqlx::postgres::PgPool;
use lessor_postgres::sqlx::{self, AssertSqlSafe};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::mistakes::says;
use crate::{claim, granted, run, storage};

async fn comment(pool: &PgPool) -> Option<String> {
    const COMMENT: &str = "SELECT obj_description('lessor_leases'::regclass, 'pg_class')";
    sqlx::query_scalar(AssertSqlSafe(COMMENT)).fetch_one(pool).await.unwrap()
}

/// A newer one is refused by everything: also in a program that was there before.
#[test]
fn a_newer_one_is_refused() {
    let server = Server::start();
    block_on(async {
        let (running, pool) = storage(&server).await;
        assert_eq!(comment(&pool).await.as_deref(), Some("lessor leases, version 1"));
        let _ = granted(running.acquire(claim("k", 1)).await);
        run(&pool, "COMMENT ON TABLE lessor_leases IS 'lessor leases, version 2'").await;
        let fresh = PostgresStorage::new(server.options());
        for error in [
            fresh.check().await.unwrap_err(),
            fresh.migrate().await.unwrap_err(),
            fresh.acquire(claim("k", 2)).await.unwrap_err(),
        ] {
            says("newer", &error, ErrorKind::Permanent, &["version 2", "update the program"]);
            assert!(matches!(AdapterError::of(&error), Some(AdapterError::WrongSetup { setting: "version", .. })));
        }
        // What does not fit any more is looked into.
        run(&pool, "ALTER TABLE lessor_leases RENAME value TO published").await;
        let error = running.acquire(claim("k", 1)).await.unwrap_err();
        says("running", &error, ErrorKind::Permanent, &["version 2", "update the program"]);
    });
}

/// One from before there were versions is used as it is, and told its version by whoever may do that.
#[test]
fn an_older_one_is_migrated() {
    let server = Server::start();
    block_on(async {
        let (owner, pool) = storage(&server).await;
        run(&pool, "CREATE ROLE app LOGIN PASSWORD 'r'; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO app").await;
        let app = PostgresStorage::new(server.options().username("app").password("r"));
        run(&pool, "COMMENT ON TABLE lessor_leases IS 'it''s Ada''s'").await;
        for storage in [&app, &owner] {
            storage.check().await.unwrap();
            storage.migrate().await.unwrap();
            let _ = granted(storage.acquire(claim("k", 1)).await);
            let told = comment(&pool).await.unwrap().ends_with("'s; lessor leases, version 1");
            assert_eq!(told, core::ptr::eq(storage, &owner), "its owner alone");
        }
        assert_eq!(comment(&pool).await.as_deref(), Some("it's Ada's; lessor leases, version 1"));
        app.migrate().await.unwrap();
        app.check().await.unwrap();
    });
}
