//! How a storage is to be made.

use core::fmt;

use async_nats::ConnectOptions;
use lessor_kit::error::AdapterError;

use crate::layout::Layout;
use crate::link::Link;
use crate::servers::Servers;
use crate::storage::NatsStorage;

/// How a [`NatsStorage`] is to be made.
///
/// ```
/// use lessor_nats::NatsStorage;
/// use lessor_nats::async_nats::ConnectOptions;
///
/// let storage = NatsStorage::builder()
///     .bucket("scheduler-leases")?
///     .replicas(3)?
///     .options(ConnectOptions::with_user_and_password("scheduler".into(), "password".into()))
///     .build(["nats://nats-1:4222", "nats://nats-2:4222", "nats://nats-3:4222"])?;
/// # Ok::<(), lessor_nats::AdapterError>(())
/// ```
///
/// Give all processes that share leases the same bucket.
#[derive(Clone)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct NatsBuilder {
    layout: Layout,
    replicas: usize,
    options: ConnectOptions,
}

impl NatsBuilder {
    pub(crate) fn new() -> Self {
        Self { layout: Layout::standard(), replicas: 1, options: ConnectOptions::new().name("lessor") }
    }

    /// The bucket that the leases are in. Default `lessor`. Keep nothing else in it.
    ///
    /// Two buckets are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it has 1 to 128 letters, digits, `-` and `_`.
    pub fn bucket(self, bucket: &str) -> Result<Self, AdapterError> {
        Ok(Self { layout: self.layout.named(bucket)?, ..self })
    }

    /// The domain of the JetStream that has the bucket, where the servers that are connected to are others: leaf nodes, say, whose
    /// own JetStream has another domain, or which have none. Default: theirs.
    ///
    /// All is asked of `$JS.DOMAIN.API` then, and written there too: the user's rights have to name it.
    ///
    /// ```
    /// use lessor_nats::NatsStorage;
    ///
    /// let storage = NatsStorage::builder().domain("hub")?.build(["nats://leaf-1:4222"])?;
    /// # Ok::<(), lessor_nats::AdapterError>(())
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it has 1 to 128 letters, digits, `-` and `_`.
    pub fn domain(self, domain: &str) -> Result<Self, AdapterError> {
        Ok(Self { layout: self.layout.in_domain(domain)?, ..self })
    }

    /// How many servers keep a copy of the bucket that [`migrate`](NatsStorage::migrate) creates. Default 1.
    ///
    /// In a cluster take 3: leases then outlive the loss of one server, and of its disk. One that is there already stays as it is.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it is 1 to 5.
    pub fn replicas(self, replicas: usize) -> Result<Self, AdapterError> {
        if (1..=5).contains(&replicas) {
            Ok(Self { replicas, ..self })
        } else {
            Err(AdapterError::invalid("replicas", &replicas.to_string(), "1 to 5"))
        }
    }

    /// How to connect: as whom, and with what TLS trusts, say. A user, a password or a token in the address of a server goes before
    /// what is said here.
    ///
    /// When to connect, and what happens when a connection ends, is the storage's business: it leaves out `max_reconnects`, the
    /// `event_callback`, the `request_timeout`, and what else is about servers that the client comes to know. Do not set
    /// `retry_on_initial_connect`: it hides why there is no connection.
    pub fn options(self, options: ConnectOptions) -> Self {
        Self { options, ..self }
    }

    /// The storage on these servers: see [`NatsStorage::new`]. Nothing is sent yet: see [`check`](lessor::Storage::check).
    ///
    /// # Errors
    /// [`AdapterError`]: there is no server, or one is no URL of a server.
    pub fn build(self, servers: impl IntoIterator<Item = impl Into<String>>) -> Result<NatsStorage, AdapterError> {
        let servers = Servers::new(servers, self.options)?;
        Ok(NatsStorage::with(Link::new(servers), self.layout, self.replicas))
    }
}

/// Without what is secret.
impl fmt::Debug for NatsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBuilder")
            .field("bucket", &self.layout.bucket())
            .field("domain", &self.layout.domain())
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let options = ConnectOptions::with_user_and_password("app".into(), "s3cret".into());
        let builder = NatsStorage::builder().options(options);
        assert!(!format!("{builder:?}").contains("s3cret"));
        let storage = builder.build(["h:1", "nats://u:s3cret@h:2"]).unwrap();
        let shown = format!("{storage:?}");
        assert!(shown.contains("nats://h:1, nats://h:2") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn replicas_that_break_a_limit_are_refused() {
        for replicas in [0, 6] {
            let error = NatsStorage::builder().replicas(replicas).unwrap_err();
            assert!(error.to_string().contains("1 to 5"), "{error}");
        }
    }
}
