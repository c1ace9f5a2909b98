//! The table of fences, created by whoever comes first.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lessor::Fence;
use lessor::storage::ErrorKind;
use lessor_postgres::sqlx::postgres::PgPool;
use lessor_postgres::sqlx::{self, AssertSqlSafe};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::postgres::{Server, pool};
use smol::block_on;

use crate::run;

/// What goes wrong, if anything.
type Outcome = Result<(), String>;

fn migrate(server: &Server) -> Outcome {
    let storage = PostgresStorage::builder().lock_timeout(Duration::from_secs(60)).build(server.options());
    block_on(storage.migrate_fences()).map_err(|error| error.to_string())
}

fn the_statement_alone(server: &Server) -> Outcome {
    let alone = sqlx::raw_sql(AssertSqlSafe(Fence::CREATE_TABLE));
    block_on(alone.execute(&server.pool(1))).map(drop).map_err(|error| error.to_string())
}

/// Eight at once, on connections of their own: none goes on before all have begun.
async fn race(server: &Arc<Server>, pool: &PgPool, create: fn(&Server) -> Outcome) -> Vec<Outcome> {
    const RACERS: i64 = 8;
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    run(pool, "DROP TABLE IF EXISTS lessor_fences").await;
    let mut gate = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE pg_class IN SHARE MODE").execute(&mut *gate).await.unwrap();
    let racer = |_| {
        let server = server.clone();
        thread::spawn(move || create(&server))
    };
    let racers: Vec<_> = (0..RACERS).map(racer).collect();
    while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(&mut *gate).await.unwrap() < RACERS {
        smol::Timer::after(Duration::from_millis(2)).await;
    }
    gate.rollback().await.unwrap();
    racers.into_iter().map(|racer| racer.join().unwrap()).collect()
}

#[test]
fn by_eight_at_once() {
    let server = Arc::new(Server::start());
    block_on(async {
        let pool = server.pool(1);
        let alone = race(&server, &pool, the_statement_alone).await;
        assert!(alone.iter().any(Result::is_err), "this needs no function: {alone:?}");
        for _ in 0..5 {
            let migrated = race(&server, &pool, migrate).await;
            assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
        }
        run(&pool, "SELECT resource, term FROM lessor_fences").await;
    });
}

/// Who may not create it may find it there, and is told which right is missing if it is not.
#[test]
fn without_the_right_to_create() {
    let server = Server::start();
    block_on(async {
        let owner = server.pool(1);
        run(&owner, "CREATE ROLE app LOGIN PASSWORD 'r'").await;
        let app = server.options().username("app").password("r");
        let storage = PostgresStorage::new(app.clone());
        let error = storage.migrate_fences().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        let Some(AdapterError::NoRight { about, .. }) = AdapterError::of(&error) else { panic!("{error}") };
        assert!(about.contains("schema public"), "{error}");

        PostgresStorage::new(&owner).migrate_fences().await.unwrap();
        storage.migrate_fences().await.unwrap();
        let alone = sqlx::raw_sql(AssertSqlSafe(Fence::CREATE_TABLE)).execute(&pool(app, 1)).await.unwrap_err();
        assert_eq!(alone.as_database_error().and_then(|error| error.code()).as_deref(), Some("42501"));
    });
}
