use std::sync::Arc;

use crate::faulty::Faulty;
use futures::executor::block_on;
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_postgres::sqlx::{self, AssertSqlSafe, Connection, PgConnection};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::postgres::{Server, pool};

use super::{PASSWORD, Trouble, heals};

pub(crate) fn heal() {
    let server = <Server as Faulty>::start();
    // Whoever heals a server that is read-only may write.
    let admin = pool(server.options().options([("default_transaction_read_only", "off")]), 1);
    let run = |sql: &str| {
        block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&admin)).unwrap();
    };
    run(&format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO app"));
    let end_sessions = || run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
    let options = server.options().username("app").password(PASSWORD);
    let storage = || Arc::new(PostgresStorage::new(options.clone()));
    let no_table = |error: &StorageError| matches!(AdapterError::of(error), Some(AdapterError::NoTable { table, .. }) if table == r#""public"."lessor_leases""#);
    let troubles = [
        Trouble {
            name: "wrong password",
            kind: ErrorKind::Permanent,
            is: Box::new(
                |error| matches!(AdapterError::of(error), Some(AdapterError::Refused { code, .. }) if code == "28P01"),
            ),
            set: Box::new(|wrong| {
                run(&format!("ALTER ROLE app PASSWORD '{}'", if wrong { "wr0ng" } else { PASSWORD }));
            }),
            end_sessions: &end_sessions,
        },
        Trouble {
            name: "missing table",
            kind: ErrorKind::Permanent,
            is: Box::new(no_table),
            set: Box::new(|missing| {
                let (from, to) = if missing { ("lessor_leases", "elsewhere") } else { ("elsewhere", "lessor_leases") };
                run(&format!("ALTER TABLE {from} RENAME TO {to}"));
            }),
            end_sessions: &|| {},
        },
        Trouble {
            name: "read-only server",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::ReadOnly { .. }))),
            set: Box::new(|on| {
                run(&format!("ALTER SYSTEM SET default_transaction_read_only = {}", if on { "on" } else { "off" }));
                run("SELECT pg_reload_conf()");
                // Each process takes note of it when it gets to that; one that is new, at once.
                if on {
                    std::iter::repeat_with(|| block_on(is_read_only(&server))).find(|known| *known);
                }
            }),
            end_sessions: &end_sessions,
        },
        Trouble {
            name: "too many connections",
            kind: ErrorKind::Transient,
            is: Box::new(
                |error| matches!(AdapterError::of(error), Some(AdapterError::Refused { code, .. }) if code == "53300"),
            ),
            set: Box::new(|full| {
                run(&format!("ALTER ROLE app CONNECTION LIMIT {}", if full { 0 } else { -1 }));
            }),
            end_sessions: &end_sessions,
        },
    ];
    for trouble in &troubles {
        heals(trouble, storage());
    }
}

/// As a new connection has it.
async fn is_read_only(server: &Server) -> bool {
    let mut connection = PgConnection::connect_with(&server.options()).await.unwrap();
    let set: String =
        sqlx::query_scalar("SHOW default_transaction_read_only").fetch_one(&mut connection).await.unwrap();
    set == "on"
}
