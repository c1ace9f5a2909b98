//! The version of the table, which its comment tells.

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt};
use lessor_mysql::sqlx::mysql::MySqlPool;
use lessor_mysql::sqlx::{self, AssertSqlSafe};
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::mistakes::says;
use crate::support::{claim, granted, run, storage};

async fn comment(pool: &MySqlPool) -> String {
    const COMMENT: &str =
        "SELECT CAST(table_comment AS CHAR) FROM information_schema.tables WHERE table_name = 'lessor_leases'";
    sqlx::query_scalar(AssertSqlSafe(COMMENT)).fetch_one(pool).await.unwrap()
}

/// A newer one is refused by everything: also in a program that was there before.
#[test]
fn a_newer_one_is_refused() {
    let server = Server::start();
    block_on(async {
        let (running, pool) = storage(&server).await;
        assert_eq!(comment(&pool).await, "lessor leases, version 1");
        let _ = granted(running.acquire(claim("k", 1)).await);
        run(&pool, "ALTER TABLE lessor_leases COMMENT 'lessor leases, version 2'").await;
        let fresh = MySqlStorage::new(server.options());
        for error in [
            fresh.check().await.unwrap_err(),
            fresh.migrate().await.unwrap_err(),
            fresh.acquire(claim("k", 2)).await.unwrap_err(),
        ] {
            says("newer", &error, ErrorKind::Permanent, &["version 2", "update the program"]);
            assert!(matches!(AdapterError::of(&error), Some(AdapterError::WrongSetup { setting: "version", .. })));
        }
        // What does not fit any more is looked into.
        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN value TO published").await;
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
        run(&pool, "CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT, INSERT, UPDATE ON lessor.lessor_leases TO app")
            .await;
        let app = MySqlStorage::new(server.options().username("app").password("r"));
        run(&pool, r"ALTER TABLE lessor_leases COMMENT 'it''s \\ Ada''s'").await;
        for storage in [&app, &owner] {
            storage.check().await.unwrap();
            storage.migrate().await.unwrap();
            let _ = granted(storage.acquire(claim("k", 1)).await);
            let told = comment(&pool).await.ends_with("'s; lessor leases, version 1");
            assert_eq!(told, core::ptr::eq(storage, &owner), "whoever may change it alone");
        }
        assert_eq!(comment(&pool).await, r"it's \ Ada's; lessor leases, version 1");
        app.migrate().await.unwrap();
        app.check().await.unwrap();
    });
}
