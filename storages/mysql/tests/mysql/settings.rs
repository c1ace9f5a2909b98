//! Whatever the server is set to, and the address says.

use std::time::Duration;

use futures::future::join;
use lessor::storage::{List, Renewed};
use lessor::{Storage, StorageExt, Value};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::Executor;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{claim, cycle, granted, renewal, run, storage};

/// What a session begins with is the storage's own, where a server says something else.
#[test]
fn every_setting() {
    let strange = [
        "--sql-mode=ANSI,NO_BACKSLASH_ESCAPES",
        "--default-time-zone=-11:30",
        "--character-set-server=ucs2",
        "--transaction-isolation=SERIALIZABLE",
        "--log-bin=bin",
        "--server-id=1",
        "--sysdate-is-now",
        "--innodb-snapshot-isolation=ON",
        "--completion-type=CHAIN",
    ];
    for (server, own) in [(Server::start(), true), (Server::start_with(&strange, Some("Asia/Kathmandu")), false)] {
        block_on(async {
            let (_, pool) = storage(&server).await;
            run(
                &pool,
                "CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT, INSERT, UPDATE ON lessor.lessor_leases TO app",
            )
            .await;
            for (number, set) in [
                "sql_mode = ''",
                "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE'",
                "sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY,PAD_CHAR_TO_FULL_LENGTH,NO_UNSIGNED_SUBTRACTION'",
                "sql_mode = 'ORACLE,SIMULTANEOUS_ASSIGNMENT,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'",
                "time_zone = '+12:45'",
                "time_zone = 'SYSTEM'",
                "tx_isolation = 'SERIALIZABLE'",
                "tx_isolation = 'READ-UNCOMMITTED'",
                "autocommit = 0",
                "completion_type = 'RELEASE'",
                "character_set_server = latin1",
                "collation_connection = utf8mb4_unicode_ci",
                "div_precision_increment = 0",
                "innodb_lock_wait_timeout = 50",
                "in_predicate_conversion_threshold = 2",
                "group_concat_max_len = 4",
                "sql_mode = 'EMPTY_STRING_IS_NULL,ORACLE,PIPES_AS_CONCAT'",
                "sql_select_limit = 1",
                "sql_safe_updates = 1",
                "max_join_size = 1",
                "init_connect = 'SET autocommit = 0, sql_select_limit = 1, completion_type = CHAIN'",
            ]
            .into_iter()
            .enumerate()
            {
                run(&pool, &format!("SET GLOBAL {set}")).await;
                println!("{set}");
                // What the server does at each connection it does not do for a user who may do everything.
                let mut options = server.options().username("app").password("r");
                if own {
                    options = options.timezone(Some("+01:00".into())).charset("latin1").pipes_as_concat(true);
                }
                let storage = MySqlStorage::new(options);
                storage.check().await.unwrap();
                cycle(&storage, &format!("{number}")).await;
                // A text without a letter is a text, and a list is whole.
                let mut empty = claim(&format!("{number} empty"), 1);
                empty.value = Some(Value::new("").unwrap());
                let _ = granted(storage.acquire(empty.clone()).await);
                assert_eq!(storage.get(&empty.key).await.unwrap().unwrap().value, empty.value);
                assert_eq!(storage.list(List::new().prefix(format!("{number} "))).await.unwrap().entries.len(), 3);
            }
        });
    }
}

/// A connection that is idle for long is not closed by the server.
#[test]
fn a_short_limit_for_idle_connections() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "SET GLOBAL wait_timeout = 1").await;
        let storage = MySqlStorage::new(server.options());
        let mine = claim("k", 1);
        let term = granted(storage.acquire(mine.clone()).await);
        smol::Timer::after(Duration::from_secs(3)).await;
        assert!(matches!(storage.renew(renewal(&mine, term)).await.unwrap(), Renewed::Extended { .. }));
        assert_eq!(storage.traffic().repeated, 0, "no connection was lost");
    });
}

/// The server's limit for statements, which may wait for a lock of the whole table.
#[test]
fn a_short_limit_for_statements() {
    const WAIT: Duration = Duration::from_millis(400);
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "SET GLOBAL max_statement_time = 0.1").await;
        let storage = MySqlStorage::new(server.options());
        let mine = claim("k", 1);
        let term = granted(storage.acquire(mine.clone()).await);
        let mut other = pool.acquire().await.unwrap();
        other.execute("LOCK TABLES lessor_leases WRITE").await.unwrap();
        let unlock = async {
            smol::Timer::after(WAIT).await;
            other.execute("UNLOCK TABLES").await.unwrap();
        };
        let (renewed, _) = join(storage.renew(renewal(&mine, term)), unlock).await;
        assert!(matches!(renewed.unwrap(), Renewed::Extended { .. }));
    });
}
