//! Where the cluster is, and how to be let in.

use core::fmt;
use core::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, Error};
use lessor_kit::error::AdapterError;
use lessor_kit::link::patience;
use tonic::transport::Endpoint;

use crate::once::Once;

/// How long a connection on which something is awaited may be silent before it is asked for a sign of life, and how long that
/// may take. An etcd server takes more than one in 5 s for an attack, unless it is set otherwise.
const SILENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

const ALLOWED: &str = "http://HOST:PORT or https://HOST:PORT, without a path, a user or a password";

/// The members of a cluster, as a client reaches them.
#[derive(Clone)]
pub(crate) struct Cluster {
    endpoints: Vec<String>,
    pub(crate) user: Option<User>,
    #[cfg(feature = "tls-rustls")]
    pub(crate) tls: Option<etcd_client::TlsOptions>,
}

/// Who asks.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl Cluster {
    /// # Errors
    /// There is no endpoint, or one is no URL of a server.
    pub(crate) fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, AdapterError> {
        let endpoints =
            endpoints.into_iter().map(|endpoint| checked(&endpoint.into())).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(AdapterError::missing("endpoints"));
        }
        Ok(Self {
            endpoints,
            user: None,
            #[cfg(feature = "tls-rustls")]
            tls: None,
        })
    }

    /// How many endpoints there are.
    pub(crate) fn size(&self) -> usize {
        self.endpoints.len()
    }

    /// All of them, for people: nothing of it is secret.
    pub(crate) fn shown(&self) -> String {
        self.endpoints.join(", ")
    }

    /// A client of this member, whose connection stands. To be polled within the runtime.
    pub(crate) async fn client(&self, place: usize) -> Result<Client, Error> {
        let endpoint = self.endpoints.get(place % self.size()).map_or("", String::as_str);
        let member = Endpoint::from_shared(endpoint.to_owned())?
            .connect_timeout(patience(self.size()))
            .http2_keep_alive_interval(SILENCE.0)
            .keep_alive_timeout(SILENCE.1)
            // A server hangs up on who does that.
            .keep_alive_while_idle(false);
        #[cfg(feature = "tls-rustls")]
        let member = if endpoint.starts_with("https://") {
            let mozillas = || etcd_client::TlsOptions::new().with_enabled_roots();
            member.tls_config(self.tls.clone().unwrap_or_else(mozillas))?
        } else {
            member
        };
        let options = ConnectOptions::new().with_require_leader(true);
        Client::from_channel(Channel::Tonic(member.connect_with_connector(Once::new()).await?), Some(options)).await
    }
}

/// An endpoint with its scheme.
fn checked(endpoint: &str) -> Result<String, AdapterError> {
    // What stands before an @ is a secret, misplaced.
    let given = endpoint.rsplit_once('@').map_or_else(|| endpoint.to_string(), |(_, host)| format!("..@{host}"));
    let refused = |allowed| AdapterError::invalid("endpoint", &given, allowed);
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("http", endpoint));
    let host = host.strip_suffix('/').unwrap_or(host);
    let names_a_port =
        host.rsplit_once(':').is_some_and(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok());
    if !names_a_port || host.contains(['/', '@', '?', '#', ',']) || host.chars().any(|letter| letter.is_whitespace()) {
        return Err(refused(ALLOWED));
    }
    match scheme {
        "https" if !cfg!(feature = "tls-rustls") => {
            Err(refused("http://HOST:PORT: https:// needs the feature tls-rustls"))
        }
        "http" | "https" => Ok(format!("{scheme}://{host}")),
        _ => Err(refused(ALLOWED)),
    }
}

/// Without the password.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| &user.name);
        f.debug_struct("Cluster").field("endpoints", &self.endpoints).field("user", &user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let cluster = Cluster::new(["etcd-1.example.com:2379", "http://127.0.0.1:2379/", "http://[::1]:1"]).unwrap();
        assert_eq!(cluster.shown(), "http://etcd-1.example.com:2379, http://127.0.0.1:2379, http://[::1]:1");
        assert_eq!(Cluster::new(["https://h:1"]).is_ok(), cfg!(feature = "tls-rustls"));
        assert_eq!(Cluster::new([""; 0]).unwrap_err(), AdapterError::missing("endpoints"));
        for wrong in
            ["", "h", "h:", ":1", "h:66666", "ftp://h:1", "http://h:1/path", "h:1,i:1", "http://h:1?x", "a b:1"]
        {
            let error = Cluster::new([wrong]).unwrap_err();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "endpoint", .. }), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_misplaced_password_is_not_shown() {
        let error = Cluster::new(["http://app:s3cret@h:1"]).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
