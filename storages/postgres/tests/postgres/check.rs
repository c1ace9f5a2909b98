//! What a check finds that only shows when something is done, and what it leaves behind.

use std::time::Duration;

use lessor::storage::{ErrorKind, List};
use lessor::{Builder, Storage, StorageExt};
use lessor_postgres::sqlx::{self, postgres::PgListener};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::pgbouncer::{PgBouncer, PoolMode};
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::mistakes::says;
use crate::{claim, granted, number, run, storage};

/// Row level security hides rows, or refuses them: without a policy, and with one that is too narrow.
#[test]
fn row_level_security() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "CREATE ROLE app LOGIN PASSWORD 'r'; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO app").await;
        let app = PostgresStorage::new(server.options().username("app").password("r"));
        app.check().await.unwrap();
        run(&pool, "ALTER TABLE lessor_leases ENABLE ROW LEVEL SECURITY").await;
        let parts = ["row level security", "ALTER TABLE \"public\".\"lessor_leases\" DISABLE ROW LEVEL SECURITY"];
        for policy in [
            "",
            "CREATE POLICY p ON lessor_leases FOR INSERT WITH CHECK (true)",
            "CREATE POLICY q ON lessor_leases FOR SELECT USING (true)",
        ] {
            run(&pool, policy).await;
            says(policy, &app.check().await.unwrap_err(), ErrorKind::Permanent, &parts);
        }
        run(&pool, "CREATE POLICY r ON lessor_leases USING (true)").await;
        app.check().await.unwrap();
    });
}

/// It is all taken back, and nobody hears of it.
#[test]
fn nothing_is_left() {
    const CHANNEL: &str = r#"lessor "public"."lessor_leases""#;
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("k", 1)).await);
        let mut listener = PgListener::connect_with(&pool).await.unwrap();
        listener.listen(CHANNEL).await.unwrap();
        for _ in 0..3 {
            storage.check().await.unwrap();
        }
        assert_eq!(storage.list(List::new()).await.unwrap().entries.len(), 1);
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases").await, 1);
        // What comes now comes after whatever a check would have told.
        sqlx::query("SELECT pg_notify($1, 'last')").bind(CHANNEL).execute(&pool).await.unwrap();
        loop {
            let heard = listener.recv().await.unwrap();
            match heard.payload() {
                // Of a grant it is told later.
                "k" => {}
                other => break assert_eq!(other, "last"),
            }
        }
    });
}

/// Behind a pooler in transaction mode nobody hears anything, though `LISTEN` is taken.
#[test]
fn listen_behind_a_pooler() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let pooler = PgBouncer::start(&server, PoolMode::Transaction, 1);
        let deaf = PostgresStorage::builder().listen_with(pooler.options()).build(&pool);
        let error = deaf.check().await.unwrap_err();
        says("listen", &error, ErrorKind::Permanent, &["LISTEN", "listen_with", "wakeups"]);
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::WrongSetup { setting: "LISTEN", .. })));
        PostgresStorage::builder().listen_with(pooler.options()).wakeups(false).build(&pool).check().await.unwrap();

        let pooler = PgBouncer::start(&server, PoolMode::Session, 8);
        PostgresStorage::new(pooler.options()).check().await.unwrap();
    });
}

/// A stock pooler takes no parameter that it does not know. sqlx sends one by itself.
#[test]
fn a_stock_pooler() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let pooler = PgBouncer::start(&server, PoolMode::Session, 8);
        let storage = PostgresStorage::new(pooler.options());
        storage.check().await.unwrap();
        let _ = granted(storage.acquire(claim("k", 1)).await);
        let asked = PostgresStorage::new(pooler.options().options([("geqo", "off")]));
        let parts = ["08P01", "ignore_startup_parameters"];
        says("options", &asked.check().await.unwrap_err(), ErrorKind::Transient, &parts);

        // Behind it a failover may lead the same connection to another server.
        let pooler = PgBouncer::start(&server, PoolMode::Transaction, 2);
        let waits = PostgresStorage::builder().asynchronous_standbys(Duration::from_secs(3600)).unwrap();
        let waits = waits.listen_with(server.options()).build(pooler.options());
        let parts = ["asynchronous_standbys", "pooler", "name the server itself"];
        says("check", &waits.check().await.unwrap_err(), ErrorKind::Permanent, &parts);
        says("claim", &waits.acquire(claim("k", 1)).await.unwrap_err(), ErrorKind::Permanent, &parts);
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE key = 'lessor timeline'").await, 0);
    });
}

/// What is not on the disk is gone after a crash, and its terms are given again.
#[test]
fn a_table_without_a_log() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        run(&pool, "ALTER TABLE lessor_leases SET UNLOGGED").await;
        let parts = ["unlogged", "ALTER TABLE \"public\".\"lessor_leases\" SET LOGGED"];
        says("unlogged", &storage.check().await.unwrap_err(), ErrorKind::Permanent, &parts);
    });
}

/// What others do to whatever is written: the operation is named that came to nothing.
#[test]
fn triggers_and_rules() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        run(&pool, "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$").await;
        for (what, create) in [
            ("claim", "CREATE TRIGGER odd BEFORE INSERT ON lessor_leases FOR EACH ROW EXECUTE FUNCTION odd()"),
            ("renewal", "CREATE TRIGGER odd BEFORE UPDATE ON lessor_leases FOR EACH ROW EXECUTE FUNCTION odd()"),
        ] {
            run(&pool, create).await;
            let error = storage.check().await.unwrap_err();
            says(what, &error, ErrorKind::Permanent, &[what, "trigger", "migration_sql()"]);
            assert!(matches!(AdapterError::of(&error), Some(AdapterError::WrongSetup { .. })), "{error}");
            run(&pool, "DROP TRIGGER odd ON lessor_leases").await;
        }
        run(&pool, "CREATE RULE odd AS ON UPDATE TO lessor_leases DO INSTEAD NOTHING").await;
        says("rule", &storage.check().await.unwrap_err(), ErrorKind::Permanent, &["rule", "migration_sql()"]);
        run(&pool, "DROP RULE odd ON lessor_leases").await;
        storage.check().await.unwrap();
    });
}

/// Where the server refuses to be listened to, that is told, and leadership changes hands all the same: by asking.
#[test]
fn listen_is_refused() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let refused = server.options().password("wr0ng");
        let deaf = PostgresStorage::builder().listen_with(refused).build(&pool);
        says("listen", &deaf.check().await.unwrap_err(), ErrorKind::Permanent, &["28P01", "correct user and password"]);
        let candidate = |id: &str| Builder::new("k").id(id).ttl(Duration::from_secs(2)).build(deaf.clone()).unwrap();
        let (first, driver) = candidate("first");
        let first_driver = smol::spawn(driver.run());
        let term = first.elected().await.unwrap().term();
        let (second, driver) = candidate("second");
        let second_driver = smol::spawn(driver.run());
        let mut events = second.events();
        while second.leader().is_none() {
            events.next().await;
        }
        first.shutdown().await.unwrap();
        first_driver.await;
        assert!(second.elected().await.unwrap().term() > term);
        second.shutdown().await.unwrap();
        second_driver.await;
    });
}
