use alloc::format;
use alloc::sync::Arc;
use core::time::Duration;

use ::redis::Client;

use super::error::InvalidSetting;
use super::layout::Layout;
use super::link::Link;
use super::scripts::Scripts;
use super::watch::PubSub;
use super::{RedisStorage, Shared};
use crate::config::{MAX_DURATION, MIN_TTL};
use crate::storage::listener::Listener;

/// How a [`RedisStorage`] is to be made.
///
/// ```
/// use core::time::Duration;
/// use lessor::RedisStorage;
/// use lessor::storage::redis::redis::Client;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = RedisStorage::builder()
///     .prefix("scheduler:leases")?
///     .max_ttl(Duration::from_secs(30))?
///     .client(Client::open("rediss://:password@cache.example.com")?);
/// # Ok(())
/// # }
/// ```
///
/// All processes that share leases have to be given the same settings.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct RedisBuilder {
    layout: Layout,
    max_ttl: Duration,
    durable: bool,
    wakeups: bool,
}

impl RedisBuilder {
    pub(super) fn new() -> Self {
        Self { layout: Layout::standard(), max_ttl: Duration::from_secs(60), durable: false, wakeups: true }
    }

    /// How all keys begin, and the channel's name. Default `lessor`.
    ///
    /// Two prefixes are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it has 1 to 128 bytes without control characters, `{` and `}`.
    pub fn prefix(self, prefix: &str) -> Result<Self, InvalidSetting> {
        Ok(Self { layout: Layout::with_prefix(prefix)?, ..self })
    }

    /// The longest ttl of any candidate, and how long nothing is granted after a loss of data. Default 60 s.
    ///
    /// A claim for longer fails with [`TtlTooLong`](super::TtlTooLong). The shorter, the sooner somebody leads after a
    /// restart or a failover of the server. No process may have a longer one than another: the leases of that one could
    /// outlive the freeze of the other.
    ///
    /// # Errors
    /// [`InvalidSetting`] unless it is from 100 ms to one day.
    pub fn max_ttl(self, max_ttl: Duration) -> Result<Self, InvalidSetting> {
        if (MIN_TTL..=MAX_DURATION).contains(&max_ttl) {
            return Ok(Self { max_ttl, ..self });
        }
        Err(InvalidSetting { field: "max_ttl", given: format!("{max_ttl:?}"), allowed: "100 ms to 24 h" })
    }

    /// Whether a restarted server still knows everything that it acknowledged. Default `false`.
    ///
    /// Then a restart freezes nothing, and leases outlive it. That is true of `appendonly yes` with
    /// `appendfsync always`, on one server whose place nobody takes: with a replica to fail over to it is not, nor
    /// with any other `appendfsync`, nor with RDB files. A server that comes back without its data is frozen all the
    /// same.
    pub fn durable(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// Whether this storage tells followers of grants and releases (`PUBLISH`) and wakes its own (`SUBSCRIBE`, one more
    /// connection and a thread from the first follower on). Default `true`.
    ///
    /// Without, a follower asks at its [retry interval](crate::Config::retry_interval) and when the lease ends.
    pub fn wakeups(self, wakeups: bool) -> Self {
        Self { wakeups, ..self }
    }

    /// The storage, which connects as this client does. Nothing is sent yet: see [`check`](crate::Storage::check).
    ///
    /// It opens connections of its own, with `TCP_NODELAY`.
    pub fn client(self, client: Client) -> RedisStorage {
        let Self { layout, max_ttl, durable, wakeups } = self;
        // A small request must not wait for the answer to the one before it.
        let info = client.get_connection_info().clone();
        let settings = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(settings)).unwrap_or(client);
        let watch = wakeups.then(|| Listener::new(PubSub { client: client.clone(), layout: layout.clone() }));
        let link = Link::new(client);
        RedisStorage(Arc::new(Shared { link, layout, scripts: Scripts::new(), max_ttl, durable, watch }))
    }
}
