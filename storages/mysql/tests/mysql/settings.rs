//! Whatever the server and the pool's connections are set to.

use lessor::Storage;
use lessor_mysql::MySqlStorage;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{cycle, pool_with, storage};

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
            storage(&server).await.0.check().await.unwrap();
            for (number, set) in [
                "sql_mode = ''",
                "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE'",
                "sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY,PAD_CHAR_TO_FULL_LENGTH,NO_UNSIGNED_SUBTRACTION'",
                "sql_mode = 'SIMULTANEOUS_ASSIGNMENT,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'",
                "time_zone = '+12:45'",
                "time_zone = 'SYSTEM'",
                "tx_isolation = 'SERIALIZABLE'",
                "tx_isolation = 'READ-COMMITTED'",
                "tx_isolation = 'READ-UNCOMMITTED'",
                "completion_type = 'CHAIN'",
                "NAMES latin1",
                "NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
                "div_precision_increment = 0",
                "innodb_lock_wait_timeout = 1",
            ]
            .into_iter()
            .enumerate()
            {
                let mut options = server.options();
                if !own {
                    options =
                        options.timezone(None).set_names(false).pipes_as_concat(false).no_engine_substitution(false);
                }
                let storage = MySqlStorage::new(pool_with(set, 2, options));
                println!("{set}");
                storage.check().await.unwrap();
                cycle(&storage, &format!("{number}")).await;
            }
        });
    }
}
