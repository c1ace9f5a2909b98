//! Requests over HTTP in JSON, from under whatever executor.

use std::time::Duration;

use lessor::StorageError;
use serde_json::Value;
use smol::unblock;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{RootCerts, TlsConfig};

/// Candidates wait for less, a fifth of their ttl by default: this only ends what nobody waits for any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes: a list of all leases may be long.
const LONGEST: u64 = 64 * 1024 * 1024;

/// A client that sends each request once: what came of a write is not known to whoever sends it again.
#[derive(Debug)]
pub(crate) struct Client(Agent);

impl Client {
    /// For a server at this URL, whose certificate is of one of these.
    pub(crate) fn new(url: &str, roots: RootCerts) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        // What needs no TLS is on this machine, to which no proxy has a way.
        let config = if url.starts_with("http://") { config.proxy(None) } else { config };
        Self(config.build().new_agent())
    }

    /// The status of the answer, and what it says; null where that is no JSON. The client blocks, on a thread for that.
    pub(crate) async fn send(&self, request: Request<Option<String>>) -> Result<(u16, Value), StorageError> {
        let agent = self.0.clone();
        unblock(move || {
            let (head, body) = request.into_parts();
            let mut response = match body {
                Some(body) => agent.run(Request::from_parts(head, body)),
                None => agent.run(Request::from_parts(head, ())),
            }?;
            let body = response.body_mut().with_config().limit(LONGEST).read_to_vec()?;
            Ok((response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
        })
        .await
        .map_err(|error: ureq::Error| StorageError::transient(error))
    }
}
