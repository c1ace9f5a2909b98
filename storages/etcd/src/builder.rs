//! How a storage is to be made.

use core::fmt;

use lessor_kit::error::AdapterError;

use crate::cluster::{Cluster, User};
use crate::layout::Layout;
use crate::link::Link;
use crate::storage::EtcdStorage;

/// How an [`EtcdStorage`] is to be made.
///
/// ```
/// use lessor_etcd::EtcdStorage;
///
/// let storage = EtcdStorage::builder()
///     .prefix("scheduler/leases/")?
///     .user("scheduler", "password")
///     .build(["http://etcd-1:2379", "http://etcd-2:2379", "http://etcd-3:2379"])?;
/// # Ok::<(), lessor_etcd::AdapterError>(())
/// ```
///
/// Give all processes that share leases the same prefix.
#[derive(Clone)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct EtcdBuilder {
    layout: Layout,
    user: Option<User>,
    #[cfg(feature = "tls-rustls")]
    tls: Option<etcd_client::TlsOptions>,
}

impl EtcdBuilder {
    pub(crate) fn new() -> Self {
        Self {
            layout: Layout::standard(),
            user: None,
            #[cfg(feature = "tls-rustls")]
            tls: None,
        }
    }

    /// The beginning of all keys in etcd. Default `lessor/`.
    ///
    /// Two prefixes are independent, unless one begins with the other: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it has 1 to 128 bytes of UTF-8 without control characters.
    pub fn prefix(self, prefix: &str) -> Result<Self, AdapterError> {
        Ok(Self { layout: Layout::with_prefix(prefix)?, ..self })
    }

    /// As whom to ask, where the cluster asks for that. The password is a secret: nothing prints it.
    ///
    /// Where the cluster does not ask for one (authentication is off) it is not used.
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(User { name: name.into(), password: password.into() }), ..self }
    }

    /// What `https://` trusts, and how it shows who it is, instead of trusting the root certificates of Mozilla.
    ///
    /// ```no_run
    /// use lessor_etcd::EtcdStorage;
    /// use lessor_etcd::etcd_client::{Certificate, Identity, TlsOptions};
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = TlsOptions::new()
    ///     .ca_certificate(Certificate::from_pem(std::fs::read("ca.crt")?))
    ///     .identity(Identity::from_pem(std::fs::read("client.crt")?, std::fs::read("client.key")?));
    /// let storage = EtcdStorage::builder().tls(tls).build(["https://etcd-1:2379"])?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-rustls")))]
    pub fn tls(self, tls: etcd_client::TlsOptions) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The storage of the cluster with these members: see [`EtcdStorage::new`]. Nothing is sent yet: see
    /// [`check`](lessor::Storage::check).
    ///
    /// # Errors
    /// [`AdapterError`]: there is no endpoint, or one is no URL of a server.
    pub fn build(self, endpoints: impl IntoIterator<Item = impl Into<String>>) -> Result<EtcdStorage, AdapterError> {
        let mut cluster = Cluster::new(endpoints)?;
        cluster.user = self.user;
        #[cfg(feature = "tls-rustls")]
        {
            cluster.tls = self.tls;
        }
        Ok(EtcdStorage::with(Link::new(cluster), self.layout))
    }
}

/// Without the password.
impl fmt::Debug for EtcdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdBuilder")
            .field("prefix", &self.layout.prefix())
            .field("user", &self.user.as_ref().map(|user| &user.name))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let builder = EtcdStorage::builder().user("app", "s3cret");
        assert!(!format!("{builder:?}").contains("s3cret"));
        let storage = builder.build(["h:1"]).unwrap();
        let shown = format!("{storage:?}");
        assert!(shown.contains("app") && shown.contains("http://h:1") && !shown.contains("s3cret"), "{shown}");
    }
}
