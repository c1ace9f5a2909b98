use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use ureq::http::Uri;

use super::watch::{Place, Watch};
use super::{HttpStorage, Service};

/// Describes how to reach a lease service.
#[derive(Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct HttpStorageBuilder {
    url: String,
    token: Option<String>,
    timeout: Duration,
    wakeups: bool,
}

impl HttpStorageBuilder {
    pub(super) const fn new(url: String) -> Self {
        Self { url, token: None, timeout: Duration::from_secs(30), wakeups: true }
    }

    /// The bearer token. A secret: nothing prints it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// After how long a request is given up altogether, the making of a connection included. Default 30 s.
    ///
    /// It only keeps a hanging connection from being waited for for ever: how long a candidate waits is its
    /// [`request_timeout`](crate::Config::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether followers are woken, which takes one more connection and a thread. Default `true`.
    ///
    /// Without, a follower asks at its [retry interval](crate::Config::retry_interval) and when the lease ends.
    pub fn wakeups(mut self, wakeups: bool) -> Self {
        self.wakeups = wakeups;
        self
    }

    /// The storage. Nothing is sent yet: see [`check`](crate::Storage::check).
    ///
    /// # Errors
    /// [`HttpError`] names what does not fit.
    pub fn build(self) -> Result<HttpStorage, HttpError> {
        let url = self.url.trim_end_matches('/');
        let (uri, local) = checked(url)?;
        let token = self.token.ok_or(HttpError::NoToken)?;
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpError::Token);
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(self.timeout))
            .user_agent(concat!("lessor/", env!("CARGO_PKG_VERSION")));
        // A proxy has no way to what is on this machine.
        let config = if local { config.proxy(None) } else { config };
        let (agent, url, authorization) = (config.build().new_agent(), url.to_string(), format!("Bearer {token}"));
        let place = if self.wakeups { Place::new(&uri, authorization.clone(), self.timeout) } else { None };
        Ok(HttpStorage(Arc::new(Service { agent, url, authorization, watch: place.map(Watch::new) })))
    }
}

/// The URL, and whether it is of this machine.
fn checked(url: &str) -> Result<(Uri, bool), HttpError> {
    // What stands before an @ is a secret, misplaced.
    let given = url.rsplit_once('@').map_or_else(|| url.to_string(), |(_, host)| format!("..@{host}"));
    let refused = |reason| HttpError::Url { given: given.clone(), reason };
    let uri: Uri = url.parse().map_err(|_| refused("it is no URL"))?;
    let host = uri.host().ok_or_else(|| refused("it names no host"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(refused("the secret belongs into `token`"));
    }
    if uri.query().is_some() {
        return Err(refused("it has a query"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok((uri, local)),
        Some("http") if local => Ok((uri, true)),
        Some("http") => Err(refused("plain http would show the token to everybody: it is for this machine only")),
        _ => Err(refused("it has to begin with https:// or, on this machine, http://")),
    }
}

impl fmt::Debug for HttpStorageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStorageBuilder")
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .field("wakeups", &self.wakeups)
            .finish_non_exhaustive()
    }
}

/// What kept an [`HttpStorageBuilder`] from building.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The URL is not one of a lease service.
    #[non_exhaustive]
    Url {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no token, and a service serves nobody without one.
    NoToken,
    /// The token is empty, or has characters that no token has. It is a secret: this does not show it.
    Token,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { given, reason } => write!(f, "url {given:?} is not allowed: {reason}"),
            Self::NoToken => f.write_str("token is missing"),
            Self::Token => f.write_str("token is not allowed: one or more visible ASCII characters without spaces"),
        }
    }
}

impl core::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(url: &str) -> Result<HttpStorage, HttpError> {
        HttpStorage::builder(url).token("t0ken").build()
    }

    #[test]
    fn only_secret_ways() {
        for url in [
            "https://leases.example.com",
            "https://h/base/",
            "http://127.0.0.1:8787",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(built(url).is_ok(), "{url}");
        }
        for url in
            ["http://example.com", "ftp://h", "leases.example.com", "", "https://user:secret@h", "https://h/?x=1"]
        {
            assert!(matches!(built(url), Err(HttpError::Url { .. })), "{url}");
        }
    }

    /// A token is a secret: nothing prints it.
    #[test]
    fn a_token_is_not_printed() {
        let builder = HttpStorage::builder("https://h").token("s3cret");
        assert!(!format!("{builder:?}").contains("s3cret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("s3cret"));
        assert_eq!(HttpStorage::builder("https://h").token("s 3").build().unwrap_err(), HttpError::Token);
        assert_eq!(HttpStorage::builder("https://h").build().unwrap_err(), HttpError::NoToken);
        assert!(!format!("{:?}", built("https://user:s3cret@h").unwrap_err()).contains("s3cret"));
    }
}
