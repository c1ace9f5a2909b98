//! Where the service's socket is.

use core::time::Duration;
use std::sync::Arc;

use super::global::has_sockets;
use crate::setup::Setup;
use crate::token::Token;

/// Where to connect to.
pub(crate) struct Place {
    pub(super) url: String,
    pub(super) token: Arc<Token>,
    /// How long the making of a connection may take, and a message.
    pub(crate) timeout: Duration,
}

impl Place {
    /// The service's socket. `None` where there are no sockets.
    pub(crate) fn new(setup: &Setup, token: Arc<Token>) -> Option<Self> {
        let scheme = if setup.uri.scheme_str() == Some("http") { "ws" } else { "wss" };
        let (authority, path) = (setup.uri.authority()?, setup.uri.path().trim_end_matches('/'));
        let (url, timeout) = (format!("{scheme}://{authority}{path}/v1/watch"), setup.timeout);
        has_sockets().then_some(Self { url, token, timeout })
    }
}

/// The name of a sub-protocol that has the token in it: a socket of JavaScript sends no headers.
pub(super) fn protocol(authorization: &str) -> String {
    format!("lessor.bearer.{}", escaped(authorization.trim_start_matches("Bearer ")))
}

/// With nothing but what the name of a sub-protocol may have, percent-encoded.
fn escaped(token: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    token.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
