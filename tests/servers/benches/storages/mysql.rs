use std::time::Duration;

use lessor::Storage;
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use lessor_mysql::sqlx::{self, AssertSqlSafe};
use lessor_servers::mysql::Server;

use crate::{Bare, crash, operations};

const CLOCK: &str = "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)";

struct Hand {
    pool: MySqlPool,
    sql: [String; 3],
}

impl Hand {
    async fn new(pool: MySqlPool) -> Self {
        let table =
            "CREATE TABLE hand (name varbinary(256) PRIMARY KEY, owner varchar(128) NOT NULL, term bigint NOT NULL,
            version bigint NOT NULL, expires bigint NOT NULL) ENGINE = InnoDB";
        sqlx::query(table).execute(&pool).await.expect("a table");
        let free = format!("(owner = VALUES(owner) OR expires < {CLOCK})");
        let sql = [
            format!(
                "INSERT INTO hand VALUES (?, ?, 1, 1, {CLOCK} + 30000) ON DUPLICATE KEY UPDATE
                 term = IF({free}, LAST_INSERT_ID(term + 1), term), version = IF({free}, version + 1, version),
                 expires = IF({free}, {CLOCK} + 30000, expires), owner = IF({free}, VALUES(owner), owner)"
            ),
            format!(
                "UPDATE hand SET version = version + 1, expires = {CLOCK} + 30000
                 WHERE name = ? AND owner = ? AND expires > {CLOCK}"
            ),
            "SELECT term, owner, expires FROM hand WHERE name = ? AND owner = ?".into(),
        ];
        Self { pool, sql }
    }

    async fn write(&self, number: usize) {
        let query = sqlx::query(AssertSqlSafe(self.sql[number].as_str())).bind("k").bind("me");
        assert!(query.execute(&self.pool).await.expect("its own").rows_affected() > 0);
    }
}

impl Bare for Hand {
    async fn acquire(&mut self) {
        self.write(0).await;
    }

    async fn renew(&mut self) {
        self.write(1).await;
    }

    async fn look(&mut self) {
        let query = sqlx::query_scalar(AssertSqlSafe(self.sql[2].as_str())).bind("k").bind("me");
        let _: i64 = query.fetch_one(&self.pool).await.expect("its own");
    }

    async fn hand_over(&mut self) -> Duration {
        unreachable!("nobody is told by the server")
    }
}

pub(crate) async fn measure() {
    let durable = ["--innodb-flush-method=fsync", "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"];
    for (name, settings) in [("MariaDB", &durable[..]), ("MariaDB without fsync", &[])] {
        let server = Server::start_with(settings, None);
        let pool = || {
            let pool = MySqlPoolOptions::new().max_connections(4).test_before_acquire(false);
            pool.connect_lazy_with(server.options())
        };
        let storage = MySqlStorage::new(pool());
        storage.migrate().await.expect("a table");
        storage.check().await.expect("it is there");
        operations(name, &storage, &mut Hand::new(pool()).await).await;
        crash::measure(name, &storage).await;
    }
}
