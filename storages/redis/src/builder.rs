//! How a storage is to be made.

use core::time::Duration;

use lessor::Config;
use lessor_kit::error::AdapterError;
use redis::Client;

use crate::layout::Layout;
use crate::storage::RedisStorage;

/// How a [`RedisStorage`] is to be made.
///
/// ```
/// use core::time::Duration;
/// use lessor_redis::RedisStorage;
/// use lessor_redis::redis::Client;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = RedisStorage::builder()
///     .prefix("scheduler:leases")?
///     .max_ttl(Duration::from_secs(30))?
///     .build(Client::open("redis://:password@cache.example.com")?);
/// # Ok(())
/// # }
/// ```
///
/// Give all processes that share leases the same settings.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct RedisBuilder {
    pub(crate) layout: Layout,
    pub(crate) max_ttl: Duration,
    pub(crate) durable: bool,
    pub(crate) wakeups: bool,
}

impl RedisBuilder {
    pub(crate) fn new() -> Self {
        Self { layout: Layout::standard(), max_ttl: Duration::from_secs(60), durable: false, wakeups: true }
    }

    /// The beginning of all keys in Redis, and the name of the channel. Default `lessor`.
    ///
    /// Two prefixes are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it has 1 to 128 bytes without control characters, `{` and `}`.
    pub fn prefix(self, prefix: &str) -> Result<Self, AdapterError> {
        Ok(Self { layout: Layout::with_prefix(prefix)?, ..self })
    }

    /// The longest ttl of any candidate, and for how long nothing is granted after a loss of data. Default 60 s.
    ///
    /// A claim or a renewal with a longer ttl fails with [`AdapterError::TtlTooLong`]. The shorter, the sooner somebody
    /// leads after a restart or a failover of the server. Give all processes the same: a lease granted by one with a
    /// longer `max_ttl` could outlive the freeze of another.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it is from 100 ms to one day.
    pub fn max_ttl(self, max_ttl: Duration) -> Result<Self, AdapterError> {
        if (Config::MIN_TTL..=Config::MAX_DURATION).contains(&max_ttl) {
            return Ok(Self { max_ttl, ..self });
        }
        Err(AdapterError::invalid("max_ttl", &format!("{max_ttl:?}"), "100 ms to 24 h"))
    }

    /// Whether a restarted server still knows everything that it acknowledged. Default `false`.
    ///
    /// If so, a restart causes no freeze, and leases outlive it. That is true with `appendonly yes` and
    /// `appendfsync always`, on one server that no replica replaces. It is not true with a replica to fail over to,
    /// with any other `appendfsync`, or with RDB files. A server that comes back without its data still causes a
    /// freeze.
    pub fn durable(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// Whether this storage tells followers of grants and releases (`PUBLISH`) and wakes its own (`SUBSCRIBE`, one more
    /// connection and a thread from the first follower on). Default `true`.
    ///
    /// Without, a follower asks at its [retry interval](lessor::Config::retry_interval) and when the lease ends. Set it
    /// alike in all processes: those with wake-ups count on being told, and ask about once per ttl.
    pub fn wakeups(self, wakeups: bool) -> Self {
        Self { wakeups, ..self }
    }

    /// The storage, which connects as this client does. Nothing is sent yet: see [`check`](lessor::Storage::check).
    ///
    /// It opens connections of its own, with `TCP_NODELAY`.
    #[must_use]
    pub fn build(self, client: Client) -> RedisStorage {
        RedisStorage::with(self, without_delay(client))
    }
}

/// A small request must not wait for the answer to the one before it.
fn without_delay(client: Client) -> Client {
    let info = client.get_connection_info().clone();
    let settings = info.tcp_settings().clone().set_nodelay(true);
    Client::open(info.set_tcp_settings(settings)).unwrap_or(client)
}
