//! R11: within the transaction of a write the newest term wins, and an older one is refused.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use futures::future::join;
use lessor::Fence;
use lessor::storage::ErrorKind;
use lessor_mysql::sqlx::{self, AssertSqlSafe, Connection, MySqlConnection};
use lessor_mysql::{AdapterError, MySqlStorage, NotAdmitted, admit};
use lessor_servers::mysql::{DATABASE, Server};
use smol::block_on;

use crate::support::{number, run, term};

#[test]
fn in_the_own_transaction() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let [one, two] = [1, 2].map(term);
        let mut connection = MySqlConnection::connect_with(&server.options().database(DATABASE)).await.unwrap();
        let NotAdmitted::Failed(missing) = admit(&mut connection, "r", one).await.unwrap_err() else {
            panic!("there is no table")
        };
        let remedy = AdapterError::of(&missing).map(ToString::to_string).unwrap_or_default();
        assert!(remedy.contains("lessor_fences") && remedy.contains("migrate_fences()"), "{missing}");

        MySqlStorage::new(&pool).migrate_fences().await.unwrap();
        let mut first = pool.begin().await.unwrap();
        admit(&mut first, "r", one).await.unwrap();
        admit(&mut first, "R", two).await.unwrap();
        first.commit().await.unwrap();
        let mut newer = pool.begin().await.unwrap();
        admit(&mut newer, "r", two).await.unwrap();
        // The older waits for the newer, and is then refused.
        let older = async {
            let mut older = pool.begin().await.unwrap();
            let refused = admit(&mut older, "r", one).await.unwrap_err();
            assert!(matches!(refused, NotAdmitted::Stale(stale) if (stale.term, stale.newest) == (one, two)));
        };
        join(older, async {
            const WAITING: &str = "SELECT COUNT(*) FROM information_schema.processlist
                WHERE info LIKE 'INSERT INTO lessor_fences%'";
            while number(&pool, WAITING).await == 0 {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
            newer.commit().await.unwrap();
        })
        .await;
        let mut again = pool.begin().await.unwrap();
        admit(&mut again, "r", two).await.unwrap();
        again.commit().await.unwrap();
        assert_eq!(number(&pool, "SELECT term FROM lessor_fences WHERE resource = 'r'").await, 2);
        let failed = admit(&mut connection, &"r".repeat(256), two).await.unwrap_err();
        assert!(matches!(failed, NotAdmitted::Failed(error) if error.kind() == ErrorKind::Permanent));
    });
}

/// Any number at once, and whoever may not create it may find it there.
#[test]
fn the_table_is_created_by_whoever_comes_first() {
    let server = Arc::new(Server::start());
    block_on(async {
        let pool = server.pool(1);
        run(&pool, Fence::MYSQL_CREATE_TABLE).await;
        run(&pool, "CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT, INSERT, UPDATE ON lessor.lessor_fences TO app")
            .await;
        run(&pool, "DROP TABLE lessor_fences").await;
        let app = server.options().username("app").password("r");
        let storage = MySqlStorage::new(app.clone());
        let error = storage.migrate_fences().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::NoRight { .. })), "{error}");
        for _ in 0..10 {
            run(&pool, "DROP TABLE IF EXISTS lessor_fences").await;
            let begin = Arc::new(Barrier::new(8));
            let racer = |_| {
                let (server, begin) = (server.clone(), begin.clone());
                thread::spawn(move || {
                    begin.wait();
                    block_on(MySqlStorage::new(server.options()).migrate_fences())
                })
            };
            let racers: Vec<_> = (0..8).map(racer).collect();
            for racer in racers {
                racer.join().unwrap().unwrap();
            }
        }
        storage.migrate_fences().await.unwrap();
        let apps = lessor_servers::mysql::pool(app, 1);
        let alone = sqlx::raw_sql(AssertSqlSafe(Fence::MYSQL_CREATE_TABLE)).execute(&apps).await;
        assert!(alone.is_err(), "this needs no function");
    });
}
