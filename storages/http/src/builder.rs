//! How a storage is to be made.

use core::error::Error;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use lessor::storage::{MaybeSend, MaybeSendSync};
use lessor_kit::error::AdapterError;

use crate::headers::Headers;
use crate::platform::{Boxed, Http, Place, Trust};
use crate::service::Service;
use crate::setup::{Setup, checked};
use crate::storage::HttpStorage;
use crate::token::{Source, Token};
use crate::watch::Watch;

/// How an [`HttpStorage`] is to be made.
///
/// ```
/// use core::time::Duration;
/// use lessor_http::HttpStorage;
///
/// let storage = HttpStorage::builder("https://leases.example.com")
///     .token("at-least-20-random-characters")
///     .timeout(Duration::from_secs(10))
///     .wakeups(false)
///     .build()?;
/// # let _ = storage;
/// # Ok::<(), lessor_http::AdapterError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct HttpBuilder {
    url: String,
    token: Option<Source>,
    timeout: Duration,
    connections: usize,
    wakeups: bool,
    headers: Vec<(String, String)>,
    roots: Option<Vec<u8>>,
}

impl HttpBuilder {
    pub(crate) const fn new(url: String) -> Self {
        Self {
            url,
            token: None,
            timeout: Duration::from_secs(30),
            connections: 2,
            wakeups: true,
            headers: Vec::new(),
            roots: None,
        }
    }

    /// The bearer token: one or more visible ASCII characters without spaces. A secret: nothing prints it.
    ///
    /// There is no default.
    pub fn token(self, token: impl Into<String>) -> Self {
        Self { token: Some(Source::Fixed(token.into())), ..self }
    }

    /// Tokens that are had from this closure: for those that end by themselves, and those that somebody changes.
    ///
    /// It is called for the first request, whenever the service refuses the last token (401), and for each socket; never twice at a
    /// time, and for as long as the [timeout](Self::timeout) at most. So let it answer with the token of the moment, which may be one that it
    /// has kept. What is refused with one token is asked once more with the next; an error is one of the request that wants the
    /// token, and passes. For a token that is [`token`](Self::token) the last call of the two counts.
    ///
    /// ```
    /// use lessor_http::HttpStorage;
    ///
    /// let storage = HttpStorage::builder("https://leases.example.com")
    ///     .token_from(async || std::env::var("LESSOR_TOKEN"))
    ///     .build()?;
    /// # let _ = storage;
    /// # Ok::<(), lessor_http::AdapterError>(())
    /// ```
    pub fn token_from<F, T, E>(self, source: F) -> Self
    where
        F: Fn() -> T + MaybeSendSync + 'static,
        T: Future<Output = Result<String, E>> + MaybeSend + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let ask = move || -> Boxed<_> {
            let asked = source();
            Box::pin(async move { asked.await.map_err(Into::into) })
        };
        Self { token: Some(Source::Asked(Arc::new(ask))), ..self }
    }

    /// The token in this file, which somebody changes: a token of a service account that Kubernetes projects, say. It is read when
    /// [`token_from`](Self::token_from) would ask; spaces and line feeds around it do not matter. A file that is missing or empty is an error that
    /// passes: it may be about to be written. There is none on WebAssembly.
    ///
    /// ```no_run
    /// use lessor_http::HttpStorage;
    ///
    /// let storage = HttpStorage::builder("https://leases.example.com")
    ///     .token_file("/var/run/secrets/lessor/token")
    ///     .build()?;
    /// # let _ = storage;
    /// # Ok::<(), lessor_http::AdapterError>(())
    /// ```
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    pub fn token_file(self, path: impl Into<std::path::PathBuf>) -> Self {
        let path: Arc<std::path::Path> = path.into().into();
        self.token_from(move || {
            let path = path.clone();
            blocking::unblock(move || match std::fs::read_to_string(&path) {
                Ok(text) if text.trim().is_empty() => Err(format!("{}: it is empty", path.display())),
                Ok(text) => Ok(text.trim().to_owned()),
                Err(error) => Err(format!("{}: {error}", path.display())),
            })
        })
    }

    /// A header to send along with each request and with the socket, for what stands before the service: Cloudflare Access takes the two of a
    /// service token. Can be said again, with another name.
    ///
    /// The name is one that HTTP allows, and none of `authorization` (the token is that), `host`, `user-agent`, `connection`, `upgrade`,
    /// `transfer-encoding`, `content-..` and `sec-websocket-..`; the value is visible ASCII. It is a secret: nothing prints it. In browsers and Node the
    /// socket of JavaScript cannot send any: where they are needed, followers are not woken.
    ///
    /// ```
    /// use lessor_http::HttpStorage;
    ///
    /// let storage = HttpStorage::builder("https://leases.example.com")
    ///     .token("at-least-20-random-characters")
    ///     .header("CF-Access-Client-Id", "0123456789.access")
    ///     .header("CF-Access-Client-Secret", "at-least-20-random-characters")
    ///     .build()?;
    /// # let _ = storage;
    /// # Ok::<(), lessor_http::AdapterError>(())
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The certificates of the authorities to trust, as PEM, instead of those of Mozilla that are compiled in: for a service with a certificate
    /// of a private authority. They count for requests and for the socket. There is no such setting on WebAssembly, where JavaScript says what is trusted.
    ///
    /// ```no_run
    /// use lessor_http::HttpStorage;
    ///
    /// let storage = HttpStorage::builder("https://leases.internal")
    ///     .token("at-least-20-random-characters")
    ///     .root_certificates(std::fs::read("/etc/ssl/internal-ca.pem")?)
    ///     .build()?;
    /// # let _ = storage;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    pub fn root_certificates(self, pem: impl Into<Vec<u8>>) -> Self {
        Self { roots: Some(pem.into()), ..self }
    }

    /// How long a request may take, connecting included. Default 30 s; has to be more than zero.
    ///
    /// It only ends requests on a connection that hangs: how long a candidate waits is its
    /// [`request_timeout`](lessor::Config::request_timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How many requests over HTTP are under way at the same time, from 1 to 8. Default 2.
    ///
    /// Operations that wait together travel together: two serve thousands of keys. A flight of more than 256 operations
    /// is several requests at once.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: connections.clamp(1, 8), ..self }
    }

    /// Whether followers are woken, which takes one more connection and a thread from the first follower on. Default
    /// `true`.
    ///
    /// Without, a follower asks at its [retry interval](lessor::Config::retry_interval) and when the lease ends.
    pub fn wakeups(self, wakeups: bool) -> Self {
        Self { wakeups, ..self }
    }

    /// The storage. Nothing is sent yet: see [`check`](lessor::Storage::check).
    ///
    /// # Errors
    /// [`AdapterError::MissingSetting`] without a token; [`AdapterError::InvalidSetting`] names what breaks its limits,
    /// and what is allowed.
    pub fn build(self) -> Result<HttpStorage, AdapterError> {
        let url = self.url.trim_end_matches('/');
        let (uri, local) = checked(url)?;
        let source = self.token.ok_or(AdapterError::missing("token"))?;
        if self.timeout.is_zero() {
            return Err(AdapterError::invalid("timeout", "0 s", "more than zero"));
        }
        let token = Token::new(source, self.timeout)?;
        #[cfg_attr(target_family = "wasm", expect(clippy::arc_with_non_send_sync, reason = "there is one thread"))]
        let token = Arc::new(token);
        let trust = self.roots.map_or_else(|| Ok(Trust::default()), |pem| Trust::of_pem(&pem))?;
        let setup = Setup { uri, local, timeout: self.timeout, headers: Headers::checked(&self.headers)?, trust };
        let place = if self.wakeups { Place::new(&setup, token.clone()) } else { None };
        let service = Service { http: Http::new(&setup), token };
        Ok(HttpStorage::of(url, service, self.connections, place.map(Watch::new)))
    }
}

/// Neither the token nor the headers.
impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder")
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("wakeups", &self.wakeups)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(url: &str) -> Result<HttpStorage, AdapterError> {
        HttpStorage::new(url, "t0ken")
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
            let error = built(url).unwrap_err();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "url", .. }), "{url}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let builder = HttpStorage::builder("https://h");
        for (builder, says) in [
            (builder.clone(), "token is missing"),
            (builder.clone().token(""), "token is not allowed: one or more visible ASCII characters without spaces"),
            (builder.clone().token("s 3"), "token is not allowed: one or more visible ASCII characters without spaces"),
            (builder.clone().token("t").timeout(Duration::ZERO), "timeout \"0 s\" is not allowed: more than zero"),
        ] {
            assert_eq!(builder.build().unwrap_err().to_string(), says);
        }
    }

    /// A token is a secret: nothing prints it.
    #[test]
    fn a_token_is_not_printed() {
        let builder = HttpStorage::builder("https://h").token("s3cret").header("x", "s3cret");
        assert!(!format!("{builder:?}").contains("s3cret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("s3cret"));
        assert!(!format!("{:?}", built("https://user:s3cret@h").unwrap_err()).contains("s3cret"));
        let error = built("https://h/?token=s3cret").unwrap_err().to_string();
        assert!(error.contains("?token\" is not allowed: https://HOST/PATH without a query"), "{error}");
    }
}
