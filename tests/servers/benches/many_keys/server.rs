//! The server, as it is by default, and what its processes spend.

use std::time::Duration;

use lessor_postgres::sqlx::postgres::{PgConnectOptions, PgConnection};
use lessor_postgres::sqlx::{self, AssertSqlSafe, Connection};
use lessor_postgres::{PostgresBuilder, PostgresStorage};
use lessor_servers::postgres::Server;

use crate::machine;

/// How the storages name themselves to the server.
const NAME: &str = "lessor";

pub(crate) struct Measured {
    pub(crate) server: Server,
    admin: PgConnection,
}

impl Measured {
    /// With the table.
    pub(crate) async fn start() -> Self {
        let server = Server::with(&["fsync=on", "autovacuum=on", "shared_buffers=128MB"]);
        PostgresStorage::new(server.options()).migrate().await.expect("a table");
        let admin = PgConnection::connect_with(&server.options()).await.expect("a connection");
        Self { server, admin }
    }

    /// How a storage connects whose processes are counted.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.options().application_name(NAME)
    }

    pub(crate) fn storage(&self, builder: PostgresBuilder) -> PostgresStorage {
        builder.build(self.options())
    }

    /// A connection of one's own, and its process.
    pub(crate) async fn bare(&self) -> (PgConnection, i32) {
        let mut bare = PgConnection::connect_with(&self.server.options()).await.expect("a connection");
        let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut bare).await.expect("its number");
        (bare, process)
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.admin).await.expect("it is done");
    }

    /// The processes that serve the storages.
    pub(crate) async fn processes(&mut self) -> Vec<i32> {
        let found = sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE application_name = $1");
        found.bind(NAME).fetch_all(&mut self.admin).await.expect("their numbers")
    }

    /// What they have spent.
    pub(crate) async fn cpu(&mut self) -> Duration {
        self.processes().await.into_iter().map(machine::cpu_of).sum()
    }
}
