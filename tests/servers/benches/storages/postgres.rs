use std::time::{Duration, Instant};

use futures::join;
use lessor::Storage;
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use lessor_postgres::sqlx::{self, AssertSqlSafe};
use lessor_servers::postgres::Server;

use crate::hand_over::idle;
use crate::{Bare, all};

const CLOCK: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

struct Hand {
    pool: PgPool,
    listener: Option<PgListener>,
    sql: [String; 4],
}

impl Hand {
    async fn new(pool: PgPool) -> Self {
        let table = "CREATE TABLE hand (key text PRIMARY KEY, owner text NOT NULL, term bigint NOT NULL, version bigint NOT NULL, expires bigint NOT NULL)
            WITH (fillfactor = 50)";
        sqlx::query(table).execute(&pool).await.expect("a table");
        let mut listener = PgListener::connect_with(&pool).await.expect("a connection");
        listener.listen("hand").await.expect("it listens");
        let sql = [
            format!(
                "INSERT INTO hand AS h VALUES ($1, $2, 1, 1, {CLOCK} + 30000) ON CONFLICT (key) DO UPDATE
                 SET owner = excluded.owner, term = h.term + 1, version = h.version + 1, expires = {CLOCK} + 30000
                 WHERE h.owner = excluded.owner OR h.expires < {CLOCK} RETURNING term"
            ),
            format!(
                "UPDATE hand SET version = version + 1, expires = {CLOCK} + 30000 WHERE key = $1 AND owner = $2 AND expires > {CLOCK} RETURNING term"
            ),
            "SELECT term, owner, expires FROM hand WHERE key = $1 AND owner = $2".into(),
            "WITH released AS (UPDATE hand SET expires = 0 WHERE key = $1 AND owner = $2 RETURNING term)
             SELECT term, pg_notify('hand', $1) FROM released"
                .into(),
        ];
        Self { pool, listener: Some(listener), sql }
    }

    async fn call(&self, number: usize, key: &str, owner: &str) -> i64 {
        let query = sqlx::query_scalar(AssertSqlSafe(self.sql[number].as_str())).bind(key).bind(owner);
        query.fetch_one(&self.pool).await.expect("its own")
    }
}

impl Bare for Hand {
    async fn acquire(&mut self) {
        self.call(0, "k", "me").await;
    }

    async fn renew(&mut self) {
        self.call(1, "k", "me").await;
    }

    async fn look(&mut self) {
        self.call(2, "k", "me").await;
    }

    async fn hand_over(&mut self) -> Duration {
        self.call(0, "hand-over", "one").await;
        let Some(mut listener) = self.listener.take() else { unreachable!("it is always put back") };
        idle().await;
        let began = Instant::now();
        let (_, took) = join!(self.call(3, "hand-over", "one"), async {
            listener.recv().await.expect("it is told");
            self.call(0, "hand-over", "other").await;
            began.elapsed()
        });
        self.call(3, "hand-over", "other").await;
        listener.recv().await.expect("it is told");
        self.listener = Some(listener);
        took
    }
}

pub(crate) async fn measure() {
    for (name, fsync) in [("PostgreSQL", "fsync=on"), ("PostgreSQL without fsync", "fsync=off")] {
        let server = Server::with(&[fsync]);
        let pool = || {
            let pool = PgPoolOptions::new().max_connections(4).test_before_acquire(false);
            pool.connect_lazy_with(server.options())
        };
        let storages = [PostgresStorage::new(pool()), PostgresStorage::new(pool())];
        storages[0].migrate().await.expect("a table");
        storages[0].check().await.expect("it is there");
        all(name, storages, &mut Hand::new(pool()).await).await;
    }
}
