use std::sync::Arc;

use crate::faulty::Faulty;
use futures::executor::block_on;
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_mysql::sqlx::{self, AssertSqlSafe};
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::mysql::Server;

use super::{PASSWORD, Trouble, heals};

pub(crate) fn heal() {
    let server = <Server as Faulty>::start();
    let admin = server.pool(1);
    let run = |sql: &str| {
        block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&admin)).unwrap();
    };
    // Without the right to write where it is read-only.
    run(&format!("CREATE USER app IDENTIFIED BY '{PASSWORD}'; GRANT SELECT, INSERT, UPDATE ON lessor.* TO app"));
    let options = server.options().username("app").password(PASSWORD);
    let storage = || Arc::new(MySqlStorage::new(options.clone()));
    let no_table = |error: &StorageError| matches!(AdapterError::of(error), Some(AdapterError::NoTable { table, .. }) if table == "`lessor_leases`");
    let troubles = [
        Trouble {
            name: "wrong password",
            kind: ErrorKind::Permanent,
            is: Box::new(
                |error| matches!(AdapterError::of(error), Some(AdapterError::Refused { code, .. }) if code == "1045"),
            ),
            set: Box::new(|wrong| {
                run(&format!("ALTER USER app IDENTIFIED BY '{}'", if wrong { "wr0ng" } else { PASSWORD }));
            }),
            end_sessions: &|| run("KILL USER app"),
        },
        Trouble {
            name: "missing table",
            kind: ErrorKind::Permanent,
            is: Box::new(no_table),
            set: Box::new(|missing| {
                let (from, to) = if missing { ("lessor_leases", "elsewhere") } else { ("elsewhere", "lessor_leases") };
                run(&format!("RENAME TABLE {from} TO {to}"));
            }),
            end_sessions: &|| {},
        },
        Trouble {
            name: "read-only server",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::ReadOnly { .. }))),
            set: Box::new(|on| run(&format!("SET GLOBAL read_only = {}", u8::from(on)))),
            end_sessions: &|| {},
        },
    ];
    for trouble in &troubles {
        heals(trouble, storage());
    }
}
