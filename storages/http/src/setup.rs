//! What requests and the socket have in common.

use core::net::IpAddr;
use core::time::Duration;

use http::Uri;
use lessor_kit::error::AdapterError;

use crate::headers::Headers;
use crate::platform::Trust;

/// Where the service is, and how it is spoken to.
pub(crate) struct Setup {
    pub(crate) uri: Uri,
    /// Whether that is on this machine.
    #[cfg_attr(target_family = "wasm", allow(dead_code, reason = "JavaScript says which proxy is used"))]
    pub(crate) local: bool,
    pub(crate) timeout: Duration,
    pub(crate) headers: Headers,
    #[cfg_attr(target_family = "wasm", allow(dead_code, reason = "JavaScript says what is trusted"))]
    pub(crate) trust: Trust,
}

/// The URL, and whether it is of this machine.
pub(crate) fn checked(url: &str) -> Result<(Uri, bool), AdapterError> {
    // What stands before an @ is a secret, misplaced, and what a parameter holds may be one.
    let given = url.rsplit_once('@').map_or_else(|| url.to_string(), |(_, host)| format!("..@{host}"));
    let given = given.split_once('=').map_or(given.as_str(), |(before, _)| before).to_string();
    let refused = |allowed| AdapterError::invalid("url", &given, allowed);
    let uri: Uri = url.parse().map_err(|_| refused("https://HOST"))?;
    let host = uri.host().ok_or_else(|| refused("https://HOST"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(refused("https://HOST without an @: the secret is the token"));
    }
    if uri.query().is_some() {
        return Err(refused("https://HOST/PATH without a query"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok((uri, local)),
        Some("http") if local => Ok((uri, true)),
        Some("http") => {
            Err(refused("https://; plain http, which shows the token to everybody, is for this machine only"))
        }
        _ => Err(refused("https://HOST, or on this machine http://HOST")),
    }
}

#[cfg(test)]
impl Setup {
    /// With nothing but what is needed.
    pub(crate) fn plain(uri: Uri, timeout: Duration) -> Self {
        Self { uri, local: true, timeout, headers: Headers::default(), trust: Trust::default() }
    }
}
