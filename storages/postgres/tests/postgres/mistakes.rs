//! What goes wrong in the first minutes: each message says what it is and what to do, and is permanent where somebody has
//! to act.

use std::time::Duration;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageError, StorageExt};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::{PgConnectOptions, PgPool};
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, run};

const PERMANENT: ErrorKind = ErrorKind::Permanent;

/// The message has all of these parts.
pub(crate) fn says(what: &str, error: &StorageError, kind: ErrorKind, parts: &[&str]) {
    let shown = error.to_string();
    assert_eq!(error.kind(), kind, "{what}: {shown}");
    for part in parts {
        assert!(shown.contains(part), "{what}: {part} is not in: {shown}");
    }
}

/// What a check says, and a claim, which may know less.
async fn both(what: &str, storage: &PostgresStorage, kind: ErrorKind, parts: &[&str]) {
    says(what, &storage.check().await.unwrap_err(), kind, parts);
    says(what, &storage.acquire(claim("k", 1)).await.unwrap_err(), kind, parts);
}

async fn app(server: &Server, pool: &PgPool) -> PgConnectOptions {
    run(pool, "CREATE ROLE app LOGIN PASSWORD 'r'").await;
    server.options().username("app").password("r")
}

#[test]
fn on_the_way_in() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(2);
        let app = app(&server, &pool).await;
        let on = |options: &PgConnectOptions| PostgresStorage::new(options.clone());
        on(&server.options()).migrate().await.unwrap();
        for (what, wrong, kind, parts) in [
            ("password", app.clone().password("wr0ng"), PERMANENT, &["28P01", "correct user and password"][..]),
            ("user", app.clone().username("nobody"), PERMANENT, &["\"nobody\"", "correct user and password"]),
            ("database", app.clone().database("none"), PERMANENT, &["\"none\"", "name another database"]),
            ("host", app.clone().host("db.invalid"), ErrorKind::Transient, &["no connection to db.invalid:"]),
            ("port", app.clone().port(1), ErrorKind::Transient, &["no connection to 127.0.0.1:1: "]),
            ("socket", app.clone().socket("/nowhere"), ErrorKind::Transient, &["no connection to /nowhere"]),
        ] {
            both(what, &on(&wrong), kind, parts).await;
            says(what, &on(&wrong).migrate().await.unwrap_err(), kind, parts);
            says(what, &on(&wrong).migrate_fences().await.unwrap_err(), kind, parts);
        }
        run(&pool, "ALTER ROLE app CONNECTION LIMIT 0").await;
        both("limit", &on(&app), ErrorKind::Transient, &["53300", "raise the limit"]).await;
        run(&pool, "ALTER ROLE app CONNECTION LIMIT -1; REVOKE CONNECT ON DATABASE postgres FROM public").await;
        both("connect", &on(&app), PERMANENT, &["42501", "GRANT CONNECT ON DATABASE"]).await;

        // TLS is asked for by the server.
        run(
            &pool,
            "DO $$ BEGIN EXECUTE format('COPY (SELECT ''host all postgres all trust'') TO %L', current_setting('hba_file')); END $$",
        )
        .await;
        run(&pool, "SELECT pg_reload_conf()").await;
        let began = crate::now();
        let error = loop {
            let error = on(&app).check().await.unwrap_err();
            if error.to_string().contains("28000") {
                break error;
            }
            // The server takes note of it when it gets to it.
            assert!(crate::now() - began < Duration::from_secs(10), "{error}");
        };
        says("pg_hba.conf", &error, PERMANENT, &["28000", "sslmode=verify-full"]);
    });
}

#[test]
fn rights_and_replicas() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(2);
        let app = app(&server, &pool).await;
        let on = |options: &PgConnectOptions| PostgresStorage::new(options.clone());
        // Since PostgreSQL 15 nobody may create anything in this schema but its owner.
        let error = on(&app).migrate().await.unwrap_err();
        says("public", &error, PERMANENT, &["schema public", "migration_sql()", "PostgresBuilder::schema"]);
        let scheduler = PostgresStorage::builder().schema("scheduler").unwrap().build(app.clone());
        says("schema", &scheduler.migrate().await.unwrap_err(), PERMANENT, &["database postgres", "migration_sql()"]);
        both("schema", &scheduler, PERMANENT, &["no table \"scheduler\".\"lessor_leases\"", "migrate()"]).await;
        both("table", &on(&app), PERMANENT, &["no table \"public\".\"lessor_leases\"", "migrate()"]).await;

        on(&server.options()).migrate().await.unwrap();
        both("select", &on(&app), PERMANENT, &["GRANT SELECT", "\"public\".\"lessor_leases\""]).await;
        run(&pool, "GRANT SELECT, INSERT ON lessor_leases TO app").await;
        says(
            "update",
            &on(&app).check().await.unwrap_err(),
            PERMANENT,
            &["GRANT UPDATE ON \"public\".\"lessor_leases\""],
        );
        run(&pool, "GRANT UPDATE ON lessor_leases TO app").await;
        on(&app).check().await.unwrap();
        run(&pool, "REVOKE ALL ON SCHEMA public FROM public").await;
        says("usage", &on(&app).check().await.unwrap_err(), PERMANENT, &["GRANT USAGE ON SCHEMA \"public\""]);

        let read_only = on(&server.options().options([("default_transaction_read_only", "on")]));
        both("read only", &read_only, PERMANENT, &["read-only", "turn default_transaction_read_only off"]).await;
        assert!(!read_only.check().await.unwrap_err().to_string().contains("target_session_attrs"), "sqlx ignores it");
    });
}

/// A table that others have made or changed.
#[test]
fn another_shape() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(2);
        let storage = PostgresStorage::new(server.options());
        for (what, change) in [
            ("table", "DROP TABLE lessor_leases; CREATE TABLE lessor_leases (id int)"),
            ("view", "DROP TABLE lessor_leases; CREATE VIEW lessor_leases AS SELECT 1 AS key"),
            ("column", "ALTER TABLE lessor_leases RENAME value TO note"),
            ("needed", "ALTER TABLE lessor_leases ADD COLUMN note text NOT NULL"),
            ("deferred", "ALTER TABLE lessor_leases ADD UNIQUE (ttl) DEFERRABLE INITIALLY DEFERRED"),
            ("short", "ALTER TABLE lessor_leases ALTER key TYPE varchar(200)"),
            ("type", "ALTER TABLE lessor_leases ALTER ttl TYPE text"),
            ("no key", "ALTER TABLE lessor_leases DROP CONSTRAINT lessor_leases_pkey"),
            ("condition", "ALTER TABLE lessor_leases ADD CHECK (session IS NULL)"),
        ] {
            storage.migrate().await.unwrap();
            storage.check().await.unwrap();
            run(&pool, change).await;
            let checked = PostgresStorage::new(server.options()).check().await;
            let error = checked.expect_err(what);
            let is_deferred = what == "deferred";
            says(what, &error, PERMANENT, if is_deferred { &["23505"] } else { &["migration_sql()"] });
            let kind = if what == "view" { "VIEW" } else { "TABLE" };
            run(&pool, &format!("DROP {kind} lessor_leases")).await;
        }
    });
}
