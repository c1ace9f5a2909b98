//! One request to the service, and what its answer means.

use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_wire::{Problem, WireReply};
use serde::de::DeserializeOwned;
use ureq::Body;
use ureq::http::Response;

/// The longest answer that is read, in bytes: a page of 1,000 keys that are all as long as can be.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Where the service is, and how it knows that it may serve.
pub(crate) struct Service {
    pub(crate) agent: ureq::Agent,
    /// Without a slash at its end.
    pub(crate) url: String,
    /// The whole header: a secret.
    pub(crate) authorization: String,
}

impl Service {
    /// Sends a batch, an array of requests in JSON: as many replies. It blocks.
    pub(crate) fn batch(&self, body: &str, count: usize) -> Result<Vec<WireReply>, Failed> {
        let request = self.agent.post(format!("{}/v1/batch", self.url)).header("authorization", &self.authorization);
        let replies: Vec<_> = read(request.content_type("application/json").send(body))?;
        if replies.len() == count { Ok(replies) } else { Err(Failed::Other(AdapterError::Unfit.into())) }
    }

    /// What the service says about itself and the token. It blocks.
    pub(crate) fn about<A: DeserializeOwned>(&self) -> Result<A, StorageError> {
        let about =
            read(self.agent.get(format!("{}/v1", self.url)).header("authorization", &self.authorization).call());
        about.map_err(Failed::into_error)
    }
}

/// The body of an answer, or what went wrong.
fn read<A: DeserializeOwned>(sent: Result<Response<Body>, ureq::Error>) -> Result<A, Failed> {
    let mut response = sent.map_err(unsent)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(unsent)?;
    if status == 200 {
        if let Ok(answer) = serde_json::from_slice(&body) {
            return Ok(answer);
        }
    } else if let Ok(problem) = serde_json::from_slice(&body) {
        return Err(Failed::Other(refused(problem)));
    }
    Err(Failed::Other(strange(&response)))
}

/// What the service says when it refuses.
pub(crate) fn refused(problem: Problem) -> StorageError {
    let Problem { kind, status, detail, .. } = &problem;
    StorageError::from(match status {
        401 | 403 => AdapterError::forbidden(problem.to_string()),
        _ => AdapterError::refused("the lease service", kind, detail, kind_of(*status)),
    })
}

/// Something in between has answered, or there is no lease service at this URL.
fn strange(response: &Response<Body>) -> StorageError {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let message = match elsewhere(header("location")) {
        Some(elsewhere) if status.is_redirection() => {
            format!("the service is elsewhere, at {elsewhere}: if that is right, make it the url")
        }
        _ => {
            let kind = header("content-type").split(';').next().filter(|kind| !kind.is_empty()).unwrap_or("nothing");
            format!("{kind} that no lease service answers: check the url, and what is between here and there")
        }
    };
    let kind =
        if status.is_success() || status.is_redirection() { ErrorKind::Permanent } else { kind_of(status.as_u16()) };
    AdapterError::refused("the server at the url", status.as_str(), &message, kind).into()
}

/// The URL of the service, if it is where this address is: without what may be a secret.
fn elsewhere(location: &str) -> Option<String> {
    let location = location.split(['?', '#']).next()?;
    let service = ["/v1/batch", "/v1"].into_iter().find_map(|path| location.strip_suffix(path)).unwrap_or(location);
    let shown = !service.is_empty() && !service.contains('@');
    shown.then(|| service.chars().filter(|letter| !letter.is_control()).take(200).collect())
}

/// Somebody has to change something for these; everything else may pass by itself.
const fn kind_of(status: u16) -> ErrorKind {
    match status {
        400 | 401 | 403 | 404 | 405 | 413 | 415 => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    }
}

fn unsent(error: ureq::Error) -> Failed {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Tls(_) => {
            Failed::Other(StorageError::permanent(error))
        }
        // What TLS does not like about the other side.
        ureq::Error::Io(error) if error.kind() == InvalidData => Failed::Other(untrusted(&error).into()),
        ureq::Error::Protocol(error) => {
            let message = format!("what is no HTTP ({error}): check the url and its port");
            let kind = ErrorKind::Permanent;
            Failed::Other(AdapterError::refused("the server at the url", "protocol", &message, kind).into())
        }
        ureq::Error::Io(error)
            if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) =>
        {
            Failed::Broken(StorageError::transient(error))
        }
        error => Failed::Other(StorageError::transient(error)),
    }
}

fn untrusted(error: &io::Error) -> AdapterError {
    let problem = "no secure connection to the server at the url can be made";
    let remedy = "check the host and the port, and give the service a certificate for that host by an authority that Mozilla \
                  trusts: there are no others here";
    AdapterError::wrong_setup("TLS", error.to_string(), problem, remedy)
}

/// Why there are no replies.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The connection was closed: while it was idle, perhaps.
    Broken(StorageError),
    Other(StorageError),
}

impl Failed {
    pub(crate) fn into_error(self) -> StorageError {
        match self {
            Self::Broken(error) | Self::Other(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use futures::executor::block_on;
    use futures_rustls::rustls::pki_types::PrivateKeyDer;
    use futures_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
    use lessor::Storage;

    use crate::HttpStorage;

    fn answered(status: u16, body: &str) -> StorageError {
        let response = Response::builder().status(status).header("content-type", "text/html; charset=utf-8");
        let response = response.header("location", "https://new.example.com/leases/v1/batch?token=s3cret");
        let response = response.body(Body::builder().data(body)).unwrap();
        read::<Vec<WireReply>>(Ok(response)).unwrap_err().into_error()
    }

    fn problem(kind: &str, status: u16) -> String {
        serde_json::to_string(&Problem::new(kind, status, "no")).unwrap()
    }

    #[test]
    fn what_an_answer_means() {
        for (status, body, kind, says) in [
            (401, problem("unauthenticated", 401), ErrorKind::Permanent, "lacks a right: unauthenticated (401): no"),
            (403, problem("forbidden", 403), ErrorKind::Permanent, "lacks a right: forbidden (403): no"),
            (400, problem("invalid", 400), ErrorKind::Permanent, "the lease service says: no (invalid)"),
            (503, problem("overloaded", 503), ErrorKind::Transient, "the lease service says: no (overloaded)"),
            (404, "<html>".into(), ErrorKind::Permanent, "text/html that no lease service answers: check the url"),
            (502, "<html>".into(), ErrorKind::Transient, "text/html that no lease service answers: check the url"),
            (200, "<html>".into(), ErrorKind::Permanent, "text/html that no lease service answers: check the url"),
            (200, r#"{"status":"up"}"#.into(), ErrorKind::Permanent, "check the url, and what is between"),
            (
                301,
                String::new(),
                ErrorKind::Permanent,
                "elsewhere, at https://new.example.com/leases: if that is right",
            ),
        ] {
            let error = answered(status, &body);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    /// Asks a server that answers one request with this, by TLS if it has a certificate for that.
    fn asked(answer: &'static [u8], certified: Option<Arc<ServerConfig>>) -> StorageError {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if certified.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if let Some(config) = certified {
                let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let _ = tls.read(&mut [0; 4096]);
            } else {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        });
        let storage = HttpStorage::new(url, "t0ken").unwrap();
        let error = block_on(storage.check()).unwrap_err();
        server.join().unwrap();
        assert!(!error.to_string().contains("t0ken"), "{error}");
        error
    }

    /// Somebody has to act, and is told what to look at.
    #[test]
    fn wrong_servers() {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(futures_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        for (error, says) in [
            (asked(b"", Some(Arc::new(config))), "by an authority that Mozilla trusts"),
            (asked(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", None), "what is no HTTP"),
            (
                asked(b"HTTP/1.1 301 Moved\r\nlocation: https://h/v1\r\ncontent-length: 0\r\n\r\n", None),
                "elsewhere, at https://h: if that is right, make it the url (301)",
            ),
            (
                asked(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>", None),
                "text/html that no lease service answers",
            ),
        ] {
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
            assert!(AdapterError::of(&error).is_some() && error.to_string().contains(says), "{error}");
        }
        // A connection that ends early may be longer the next time.
        let error = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n<html>", None);
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    }
}
