//! Where the servers are, and how to be let in.

use async_nats::{ConnectOptions, ServerAddr};
use lessor_kit::error::AdapterError;
use percent_encoding::percent_decode_str;

const ALLOWED: &str = "nats://HOST:PORT or tls://HOST:PORT, with USER:PASSWORD@ or TOKEN@ before the host or without, and \
                       without a path";

/// The servers of a cluster, as a client reaches them.
#[derive(Clone)]
pub(crate) struct Servers {
    addresses: Vec<ServerAddr>,
    options: ConnectOptions,
}

impl Servers {
    /// # Errors
    /// There is no server, or one is no URL of a server.
    pub(crate) fn new(
        servers: impl IntoIterator<Item = impl Into<String>>,
        options: ConnectOptions,
    ) -> Result<Self, AdapterError> {
        let addresses = servers.into_iter().map(|server| checked(&server.into())).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(AdapterError::missing("servers"));
        }
        Ok(Self { addresses, options })
    }

    /// How many servers there are.
    pub(crate) fn count(&self) -> usize {
        self.addresses.len()
    }

    /// One of them, and how to connect to it.
    pub(crate) fn at(&self, place: usize) -> Option<(ServerAddr, ConnectOptions)> {
        let address = self.addresses.get(place)?.clone();
        let options = self.options.clone();
        // The client takes neither from the address.
        let options = match (address.username(), address.password()) {
            (Some(user), Some(password)) => options.user_and_password(decoded(user), decoded(password)),
            (Some(token), None) => options.token(decoded(token)),
            (None, _) => options,
        };
        Some((address, options))
    }

    /// One of them, for people: without what is secret.
    pub(crate) fn shown(&self, place: usize) -> String {
        self.addresses.get(place).map(shown).unwrap_or_default()
    }

    /// All of them, likewise.
    pub(crate) fn all_shown(&self) -> String {
        self.addresses.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

fn shown(address: &ServerAddr) -> String {
    let (scheme, host, port) = (address.scheme(), address.host(), address.port());
    if host.contains(':') { format!("{scheme}://[{host}]:{port}") } else { format!("{scheme}://{host}:{port}") }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn checked(server: &str) -> Result<ServerAddr, AdapterError> {
    let parsed = server.parse::<ServerAddr>().ok().filter(|address| {
        let url = address.clone().into_inner();
        matches!(address.scheme(), "nats" | "tls")
            && !address.host().is_empty()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    // A part of it may be a secret, wherever a slip of the pen has put it.
    let refused = || match server.contains('@') {
        true => AdapterError::invalid_secret("server", ALLOWED),
        false => AdapterError::invalid("server", server, ALLOWED),
    };
    parsed.ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(servers: &[&str]) -> Result<Servers, AdapterError> {
        Servers::new(servers.iter().copied(), ConnectOptions::new())
    }

    #[test]
    fn addresses() {
        let all = servers(&["h", "nats://u:s3cret@h:4333", "tls://[::1]", "nats://t0ken@h/"]).unwrap();
        assert_eq!(all.all_shown(), "nats://h:4222, nats://h:4333, tls://[::1]:4222, nats://h:4222");
        assert_eq!(all.shown(1), "nats://h:4333");
        assert_eq!(all.count(), 4);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for server in ["", "nats://", "http://h", "ws://h", "nats://h/bucket", "nats://h?a=1", "nats://h#a", "h:port"] {
            let error = servers(&[server]).err().unwrap();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "server", .. }), "{server}: {error}");
        }
        assert_eq!(servers(&[]).err(), Some(AdapterError::missing("servers")));
    }

    #[test]
    fn a_password_is_not_shown() {
        for server in ["http://u:s3cret@h", "nats://u:s3cret@h/b", "nats://u:s3/cret@h"] {
            let error = servers(&[server]).err().unwrap();
            assert!(!error.to_string().contains("s3") && !format!("{error:?}").contains("s3"), "{error:?}");
        }
    }
}
