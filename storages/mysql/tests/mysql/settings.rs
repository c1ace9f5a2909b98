//! Whatever the server is set to, and the address says.

use lessor::Storage;
use lessor_mysql::MySqlStorage;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{cycle, run, storage};

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
            ]
            .into_iter()
            .enumerate()
            {
                run(&pool, &format!("SET GLOBAL {set}")).await;
                println!("{set}");
                let mut options = server.options();
                if own {
                    options = options.timezone(Some("+01:00".into())).charset("latin1").pipes_as_concat(true);
                }
                let storage = MySqlStorage::new(options);
                storage.check().await.unwrap();
                cycle(&storage, &format!("{number}")).await;
            }
        });
    }
}
