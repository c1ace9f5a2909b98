//! What goes wrong in the first minutes: each message says what it is and what to do, and is permanent where somebody has
//! to act.

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageError, StorageExt};
use lessor_mysql::sqlx::mysql::MySqlConnectOptions;
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::mysql::{PASSWORD, Server, USER};
use smol::block_on;

use crate::support::{claim, run, storage};

const PERMANENT: ErrorKind = ErrorKind::Permanent;

/// The message has all of these parts.
pub(crate) fn says(what: &str, error: &StorageError, kind: ErrorKind, parts: &[&str]) {
    let shown = error.to_string();
    assert_eq!(error.kind(), kind, "{what}: {shown}");
    for part in parts {
        assert!(shown.contains(part), "{what}: {part} is not in: {shown}");
    }
}

/// What a check says, and a claim.
async fn both(what: &str, storage: &MySqlStorage, kind: ErrorKind, parts: &[&str]) {
    says(what, &storage.check().await.unwrap_err(), kind, parts);
    says(what, &storage.acquire(claim("k", 1)).await.unwrap_err(), kind, parts);
}

fn on(options: &MySqlConnectOptions) -> MySqlStorage {
    MySqlStorage::new(options.clone())
}

#[test]
fn on_the_way_in() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT, INSERT, UPDATE ON lessor.lessor_leases TO app")
            .await;
        run(&pool, "CREATE DATABASE other").await;
        let app = server.options().username("app").password("r");
        on(&app).check().await.unwrap();
        for (what, wrong, kind, parts) in [
            ("password", app.clone().password("wr0ng"), PERMANENT, &["1045", "correct user and password"][..]),
            ("user", app.clone().username("nobody"), PERMANENT, &["'nobody'", "correct user and password"]),
            ("no right", app.clone().database("other"), PERMANENT, &["'other'", "name another database"]),
            ("database", server.options().database("none"), PERMANENT, &["'none'", "name another database"]),
            ("host", app.clone().host("db.invalid"), ErrorKind::Transient, &["no connection to db.invalid:"]),
            ("port", app.clone().port(1), ErrorKind::Transient, &["no connection to 127.0.0.1:1: "]),
            (
                "socket",
                app.clone().socket("/nowhere"),
                ErrorKind::Transient,
                &["no connection to /nowhere", "start it"],
            ),
        ] {
            both(what, &on(&wrong), kind, parts).await;
            says(what, &on(&wrong).migrate().await.unwrap_err(), kind, parts);
            says(what, &on(&wrong).migrate_fences().await.unwrap_err(), kind, parts);
        }
        run(&pool, "ALTER USER app REQUIRE SSL").await;
        both("account with TLS", &on(&app), PERMANENT, &["1045", "REQUIRE SSL"]).await;
        run(&pool, "ALTER USER app REQUIRE NONE; SET GLOBAL require_secure_transport = ON").await;
        both(
            "server with TLS",
            &on(&app),
            PERMANENT,
            &["1045", "require_secure_transport", "ssl-mode=VERIFY_IDENTITY"],
        )
        .await;
    });
}

#[test]
fn rights_and_replicas() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(1);
        run(&pool, "CREATE TABLE x (a int); CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT ON lessor.x TO app").await;
        let app = server.options().username("app").password("r");
        let error = on(&app).migrate().await.unwrap_err();
        says("create", &error, PERMANENT, &["CREATE command denied", "migration_sql()", "MySqlBuilder::database"]);
        let scheduler = MySqlStorage::builder().database("scheduler").unwrap().build(app.clone());
        says("database", &scheduler.migrate().await.unwrap_err(), PERMANENT, &["`scheduler`", "migration_sql()"]);
        let unnamed = MySqlConnectOptions::new().host("127.0.0.1").port(server.port());
        let unnamed = unnamed.username(USER).password(PASSWORD);
        both("no database", &on(&unnamed), PERMANENT, &["1046", "name one in the address"]).await;
        says("no database", &on(&unnamed).migrate().await.unwrap_err(), PERMANENT, &["name one in the address"]);

        on(&server.options()).migrate().await.unwrap();
        both("select", &on(&app), PERMANENT, &["GRANT SELECT", "`lessor_leases`"]).await;
        run(&pool, "GRANT SELECT, INSERT ON lessor.lessor_leases TO app").await;
        says("update", &on(&app).check().await.unwrap_err(), PERMANENT, &["GRANT UPDATE ON `lessor_leases`"]);
        run(&pool, "GRANT UPDATE ON lessor.lessor_leases TO app").await;
        run(&pool, "SET GLOBAL read_only = 1").await;
        both("read only", &on(&app), PERMANENT, &["read-only", "connect to the primary"]).await;
    });
}

/// A table that others have made or changed.
#[test]
fn another_shape() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        for (what, change) in [
            ("table", "DROP TABLE lessor_leases; CREATE TABLE lessor_leases (id int)"),
            ("view", "DROP TABLE lessor_leases; CREATE VIEW lessor_leases AS SELECT 1 AS `key`"),
            ("column", "ALTER TABLE lessor_leases RENAME COLUMN value TO note"),
            ("needed", "ALTER TABLE lessor_leases ADD COLUMN note text NOT NULL"),
            ("short", "ALTER TABLE lessor_leases MODIFY `key` varbinary(200)"),
            ("narrow", "ALTER TABLE lessor_leases MODIFY expires int NOT NULL"),
            ("no key", "ALTER TABLE lessor_leases DROP PRIMARY KEY"),
            ("condition", "ALTER TABLE lessor_leases ADD CHECK (session IS NULL)"),
        ] {
            storage.migrate().await.unwrap();
            storage.check().await.unwrap();
            run(&pool, change).await;
            let checked = on(&server.options()).check().await;
            says(what, &checked.expect_err(what), PERMANENT, &["migration_sql()"]);
            let kind = if what == "view" { "VIEW" } else { "TABLE" };
            run(&pool, &format!("DROP {kind} lessor_leases")).await;
        }
        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        assert_eq!(crate::support::number(&pool, "SELECT COUNT(*) FROM lessor_leases").await, 0, "nothing is left");
    });
}

/// What others do to whatever is written: the operation is named that came to nothing.
#[test]
fn triggers() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        for (what, when, set) in [
            ("renewal", "INSERT", "id = 'odd'"),
            ("renewal", "INSERT", "term = 7"),
            ("release", "UPDATE", "session = x'00000000000000000000000000000009'"),
            ("look", "UPDATE", "id = 'odd'"),
        ] {
            run(&pool, &format!("CREATE TRIGGER odd BEFORE {when} ON lessor_leases FOR EACH ROW SET NEW.{set}")).await;
            let error = storage.check().await.unwrap_err();
            says(set, &error, PERMANENT, &[what, "trigger", "migration_sql()"]);
            assert!(matches!(AdapterError::of(&error), Some(AdapterError::WrongSetup { .. })), "{error}");
            run(&pool, "DROP TRIGGER odd").await;
        }
        storage.check().await.unwrap();
    });
}

/// A server that keeps its last commits in its memory loses them even when it is only killed.
#[test]
fn a_log_that_is_written_later() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        run(&pool, "SET GLOBAL innodb_flush_log_at_trx_commit = 0").await;
        says("log", &storage.check().await.unwrap_err(), PERMANENT, &["innodb_flush_log_at_trx_commit", "set it to 1"]);
    });
}

/// A replica has old rows and a clock of its own: nobody looks there unawares, not even who may do everything.
#[test]
fn a_replica_is_refused() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "SET GLOBAL read_only = 1").await;
        let there = on(&server.options());
        let looked = there.get(&claim("k", 1).key).await.map(drop);
        for error in [looked.unwrap_err(), there.check().await.unwrap_err()] {
            says("replica", &error, PERMANENT, &["read-only", "connect to the primary"]);
        }
    });
}
