//! How a storage is to be made.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use lessor_kit::error::AdapterError;
use lessor_kit::lane::Lane;
use lessor_kit::listener::Listener;
use lessor_kit::version::mark;
use sqlx::postgres::PgConnectOptions;

use crate::address::Address;
use crate::held::Held;
use crate::server::Primary;
use crate::storage::{Inner, PostgresStorage};
use crate::table::Table;
use crate::timeline::{Freeze, checked};
use crate::wakeups::Notifications;

/// How a [`PostgresStorage`] is to be made.
///
/// ```no_run
/// use core::time::Duration;
/// use lessor_postgres::PostgresStorage;
/// use lessor_postgres::sqlx::postgres::PgConnectOptions;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server: PgConnectOptions = "postgres://app@db.example.com/app".parse()?;
/// let storage = PostgresStorage::builder()
///     .schema("scheduler")?
///     .table("leases")?
///     .lock_timeout(Duration::from_millis(500))
///     .build(server);
/// storage.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct PostgresBuilder {
    table: Table,
    connections: usize,
    lock_timeout: Duration,
    wakeups: bool,
    listen_with: Option<PgConnectOptions>,
    max_ttl: Option<Duration>,
}

impl PostgresBuilder {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::standard(),
            connections: 2,
            lock_timeout: Duration::from_secs(1),
            wakeups: true,
            listen_with: None,
            max_ttl: None,
        }
    }

    /// The schema that has the table. Default `public`.
    ///
    /// It is named in every statement, so that no `search_path` matters.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless the name has 1 to 63 bytes without control characters. It is quoted:
    /// upper case, spaces and words of SQL are as good as any.
    pub fn schema(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: self.table.in_schema(name)?, ..self })
    }

    /// The table that keeps the leases. Default `lessor_leases`.
    ///
    /// Two tables are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`], as [`schema`](Self::schema).
    pub fn table(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: self.table.named(name)?, ..self })
    }

    /// How many connections the storage and its clones open, from 1 to 8. Default 2. (One more is for
    /// [wake-ups](Self::wakeups).)
    ///
    /// Requests that wait together travel together: two connections serve ten thousand keys. With one, a flight that
    /// takes long holds up all others.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: connections.clamp(1, 8), ..self }
    }

    /// How long a statement waits for the lock of another transaction, at most. Default 1 s; 10 ms at least, a minute
    /// at most.
    ///
    /// A request waits for a row's lock for at most half of the time that its candidate waits for the answer. Others hold a row
    /// for as long as their commit takes: only a slow disk or a transaction of your own on this table makes anyone wait.
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        Self { lock_timeout: timeout.clamp(Duration::from_millis(10), Duration::from_secs(60)), ..self }
    }

    /// Whether this storage tells followers of releases and revokes, and of grants when it has nothing else to do
    /// (`NOTIFY`), and wakes its own (`LISTEN`,
    /// one more connection and a thread from the first follower on). Default `true`.
    ///
    /// Without, a follower asks at its [retry interval](lessor::Config::retry_interval) and when the lease ends. Set it
    /// alike in all processes: those with wake-ups count on being told, and ask about once per ttl.
    pub fn wakeups(self, wakeups: bool) -> Self {
        Self { wakeups, ..self }
    }

    /// How to connect for `LISTEN`. By default as the pool does.
    ///
    /// A connection pooler in transaction mode does not pass `LISTEN` on: name the server itself here.
    pub fn listen_with(self, options: PgConnectOptions) -> Self {
        Self { listen_with: Some(options), ..self }
    }

    /// For a server with asynchronous standbys: after a failover to one of them nothing is granted for `max_ttl`, and no
    /// term is given twice.
    ///
    /// What the old server granted last may not have been copied: whoever has that leads on until its lease ends. So
    /// each new connection compares the server's timeline, which each promotion of a standby makes anew, with the one
    /// that the table remembers (in the record of the key `lessor timeline`, which nobody holds). Where it is another,
    /// claims are refused for `max_ttl`; leaders whose leases were copied renew, and lead on. New terms are at least
    /// the server's clock in ms, so that they are greater than those that were lost.
    ///
    /// It needs no other right, and two more round trips for each connection. Give it to all processes, with the same
    /// `max_ttl`, at least as long as the longest ttl: a candidate with a longer one is
    /// [refused](AdapterError::TtlTooLong). The clocks of the servers have to agree to within `max_ttl`. It relies on the
    /// old server taking no more writes once the standby does, as all tools for failover see to. Terms that were small
    /// become large, and stay so. It does not see a loss without a promotion: a disk set back to a snapshot, say.
    /// Behind a connection pooler that passes no settings on it is refused (each request fails with an error that says so): the
    /// pooler may go on with another server unnoticed.
    ///
    /// A standby that confirms (`synchronous_standby_names`) loses nothing, and needs none of this.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it is 100 ms to 24 h.
    pub fn asynchronous_standbys(self, max_ttl: Duration) -> Result<Self, AdapterError> {
        Ok(Self { max_ttl: Some(checked(max_ttl)?), ..self })
    }

    /// The SQL that creates schema and table if they are missing, for your own migrations.
    #[must_use]
    pub fn migration_sql(&self) -> String {
        let comment = self.table.comment(&mark());
        format!("{}\n{}\n{comment}", self.table.create_schema(), self.table.create())
    }

    /// The storage of the server there: options to connect with, or a pool whose options are taken. Nothing is sent yet:
    /// see [`check`](lessor::Storage::check).
    pub fn build(self, address: impl Into<Address>) -> PostgresStorage {
        let Self { table, connections, lock_timeout, wakeups, listen_with, max_ttl } = self;
        let address = address.into();
        let held = Arc::new(Held::default());
        let listen_with = listen_with.map_or_else(|| address.clone(), Address::from);
        let listens_at = wakeups.then_some(listen_with);
        let notifications =
            |address: &Address| Notifications { address: address.clone(), name: table.channel(), held: held.clone() };
        let listener = listens_at.as_ref().map(|address| Listener::new(notifications(address)));
        let primary = Primary::new(address, table, lock_timeout, held, wakeups, max_ttl.map(Freeze::new));
        PostgresStorage(Arc::new(Inner { lane: Lane::new(primary, connections), listener, listens_at }))
    }
}

/// Not the options: they have the password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("table", &self.table)
            .field("connections", &self.connections)
            .field("lock_timeout", &self.lock_timeout)
            .field("wakeups", &self.wakeups)
            .finish_non_exhaustive()
    }
}
