//! Where the service is, and how it is made sure that it is the service.

use core::time::Duration;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::rustls::crypto::{CryptoProvider, ring};
use futures_rustls::rustls::{ClientConfig, RootCertStore};

use crate::headers::Headers;
use crate::setup::Setup;
use crate::token::Token;

/// Where to connect to.
pub(crate) struct Place {
    /// An IPv6 address stands here without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As it stands in the URL.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) token: Arc<Token>,
    pub(super) headers: Headers,
    /// `None`: without TLS, on the machine itself.
    pub(crate) tls: Option<TlsConnector>,
    /// How long the making of a connection may take, and a message.
    pub(crate) timeout: Duration,
}

impl Place {
    /// The service's socket. `None` if a TLS library that the program brought cannot be used.
    pub(crate) fn new(setup: &Setup, token: Arc<Token>) -> Option<Self> {
        let Setup { uri, timeout, headers, trust, .. } = setup;
        let secure = uri.scheme_str() != Some("http");
        Some(Self {
            host: uri.host()?.trim_start_matches('[').trim_end_matches(']').to_string(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: uri.authority()?.to_string(),
            path: format!("{}/v1/watch", uri.path().trim_end_matches('/')),
            token,
            headers: headers.clone(),
            tls: if secure { Some(connector(trust.of_socket()?)?) } else { None },
            timeout: *timeout,
        })
    }
}

/// The cryptography that the requests use: what the program has installed, else ring.
pub(crate) fn connector(roots: RootCertStore) -> Option<TlsConnector> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Source;

    #[test]
    fn from_urls() {
        for (url, secure, host, port, authority, path) in [
            ("https://h.example.com", true, "h.example.com", 443, "h.example.com", "/v1/watch"),
            ("https://h:8443/base/x", true, "h", 8443, "h:8443", "/base/x/v1/watch"),
            ("http://127.0.0.1:8787/", false, "127.0.0.1", 8787, "127.0.0.1:8787", "/v1/watch"),
            ("http://[::1]", false, "::1", 80, "[::1]", "/v1/watch"),
        ] {
            let token = Token::new(Source::Fixed("t".into()), Duration::MAX).unwrap();
            let place = Place::new(&Setup::plain(url.parse().unwrap(), Duration::MAX), token.into()).unwrap();
            assert_eq!(
                (place.tls.is_some(), &*place.host, place.port, &*place.authority, &*place.path),
                (secure, host, port, authority, path)
            );
        }
    }
}
