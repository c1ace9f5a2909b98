//! Whatever the server, the database or the user is set to.

use std::time::Duration;

use futures::future::join;
use lessor::storage::{Renewed, Reply};
use lessor::{Storage, StorageExt};
use lessor_postgres::{PostgresStorage, sqlx};
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted, granted_in, is_extended, lasting, release, renewal, run, storage};

/// A grant waits for the standby that is to confirm it, where the user would not: alone, and in a batch.
#[test]
fn what_is_answered_is_confirmed() {
    let server = Server::with(&["synchronous_standby_names=nobody"]);
    block_on(async {
        let hasty = server.options().options([("synchronous_commit", "local")]);
        PostgresStorage::new(hasty.clone()).migrate().await.unwrap();
        for (number, setting) in ["local", "off"].into_iter().enumerate() {
            let storage = PostgresStorage::new(server.options().options([("synchronous_commit", setting)]));
            let asked = |name: &str| lasting(Duration::from_secs(1), claim(&format!("{name} {number}"), 1));
            assert!(storage.acquire(asked("alone")).await.is_err(), "{setting}");
            let batch = storage.call_all(vec![asked("one").into(), asked("other").into()]).await;
            assert!(batch.iter().all(Result::is_err), "{setting}: {batch:?}");
        }
    });
}

/// Its limit for statements is longer than that for locks.
#[test]
fn a_short_limit_for_statements() {
    const WAIT: Duration = Duration::from_millis(300);
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "CREATE ROLE app LOGIN PASSWORD 'r'; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO app").await;
        run(&pool, "ALTER ROLE app SET statement_timeout = '100ms'").await;
        let storage = PostgresStorage::new(server.options().username("app").password("r"));
        let _ = granted(storage.acquire(claim("k", 1)).await);
        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM lessor_leases FOR UPDATE").execute(&mut *other).await.unwrap();
        let unlock = async {
            smol::Timer::after(WAIT).await;
            other.rollback().await.unwrap();
        };
        let (again, ()) = join(storage.acquire(claim("k", 1)), unlock).await;
        let _ = granted(again);
    });
}

/// Each of these is the default of the storage's user, and none changes what it does.
#[test]
fn every_setting() {
    const SETTINGS: [(&str, &str); 13] = [
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_isolation", "repeatable read"),
        ("default_transaction_deferrable", "on"),
        ("synchronous_commit", "off"),
        ("synchronous_commit", "local"),
        ("idle_session_timeout", "50ms"),
        ("search_path", "odd, pg_catalog"),
        ("search_path", ""),
        ("standard_conforming_strings", "off"),
        ("bytea_output", "escape"),
        ("DateStyle", "SQL, DMY"),
        ("IntervalStyle", "iso_8601"),
        ("row_security", "off"),
    ];
    let server = Server::start();
    block_on(async {
        let pool = server.pool(2);
        run(
            &pool,
            "CREATE ROLE app LOGIN PASSWORD 'r'; CREATE SCHEMA odd; GRANT USAGE ON SCHEMA odd TO app;
             CREATE FUNCTION odd.date_part(text, timestamptz) RETURNS float8 LANGUAGE sql AS 'SELECT 0::float8';
             CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT timestamptz ''epoch''';
             CREATE FUNCTION odd.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
        )
        .await;
        let options = server.options().username("app").password("r");
        // A name that is to be quoted, in each way.
        let table = r#"it's a \ "table""#;
        let builder = PostgresStorage::builder().table(table).unwrap();
        builder.clone().build(&pool).migrate().await.unwrap();
        let quoted = table.replace('"', "\"\"");
        run(&pool, &format!("GRANT SELECT, INSERT, UPDATE ON \"{quoted}\" TO app")).await;
        for (number, (name, value)) in SETTINGS.into_iter().enumerate() {
            let what = format!("{name} {value:?}");
            let value = if name == "search_path" { String::from(value) } else { format!("'{value}'") };
            let value = if value.is_empty() { "''".into() } else { value };
            run(&pool, &format!("ALTER ROLE app RESET ALL; ALTER ROLE app SET {name} = {value}")).await;
            let storage = builder.clone().build(options.clone());
            storage.check().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            let mine = claim(&format!("{number}"), 1);
            let others: Vec<_> = (0..3).map(|other| claim(&format!("{number} {other}"), 1)).collect();
            let term = granted(storage.acquire(mine.clone()).await);
            let replies = storage.call_all(others.iter().map(|claim| claim.clone().into()).collect()).await;
            assert!(replies.iter().all(|reply| granted_in(reply).is_some()), "{what}: {replies:?}");
            if name == "idle_session_timeout" {
                smol::Timer::after(Duration::from_millis(200)).await;
            }
            let renewed = storage.renew(renewal(&mine, term)).await.unwrap();
            assert!(matches!(renewed, Renewed::Extended { .. }), "{what}");
            let replies = storage.call_all(others.iter().map(|claim| renewal(claim, term).into()).collect()).await;
            assert!(replies.iter().all(is_extended), "{what}: {replies:?}");
            // The clock is the server's own, and no connection was lost.
            let leases =
                format!("SELECT count(*) FROM \"{quoted}\" WHERE expires > 1000000000000 AND key = '{}'", mine.key);
            assert_eq!((crate::number(&pool, &leases).await, storage.traffic().repeated), (1, 0), "{what}");
            let released = storage.call(release(&mine).into()).await.unwrap();
            assert_eq!(released, Reply::Released, "{what}");
        }
    });
}
