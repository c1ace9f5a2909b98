//! Requests over HTTP: each on a thread of the `blocking` crate.

use std::borrow::Cow;
use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;

use super::USER_AGENT;
use crate::answer::{Answer, Failed, LONGEST, no_service};
use crate::headers::Headers;
use crate::setup::Setup;
use crate::token::Authorization;

/// Where the service is.
#[derive(Clone)]
pub(crate) struct Http {
    agent: ureq::Agent,
    /// Without a slash at its end.
    url: String,
    headers: Headers,
    /// Whether the program says itself whom to trust.
    trusts_its_own: bool,
}

impl Http {
    pub(crate) fn new(setup: &Setup) -> Self {
        let Setup { uri, local, timeout, headers, trust } = setup;
        let tls = ureq::tls::TlsConfig::builder().root_certs(trust.of_requests()).build();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(*timeout))
            .tls_config(tls)
            .user_agent(USER_AGENT);
        // A proxy has no way to what is on this machine.
        let config = if *local { config.proxy(None) } else { config };
        let url = uri.to_string().trim_end_matches('/').to_owned();
        let (headers, trusts_its_own) = (headers.clone(), trust.is_own());
        Self { agent: config.build().new_agent(), url, headers, trusts_its_own }
    }

    /// Sends a body of JSON there; or asks for what is there.
    pub(crate) async fn send(
        &self,
        path: Cow<'static, str>,
        authorization: Authorization,
        body: Option<String>,
    ) -> Result<Answer, Failed> {
        let http = self.clone();
        blocking::unblock(move || http.ask(&path, &authorization, body).map_err(|error| http.unsent(error))).await
    }

    fn ask(&self, path: &str, authorization: &str, body: Option<String>) -> Result<Answer, ureq::Error> {
        let url = format!("{}{path}", self.url);
        let mut response = match body {
            Some(body) => {
                let post = self.agent.post(url).header("authorization", authorization);
                let post = self.headers.iter().fold(post, |post, (name, value)| post.header(name, value));
                post.content_type("application/json").send(body)?
            }
            None => {
                let get = self.agent.get(url).header("authorization", authorization);
                self.headers.iter().fold(get, |get, (name, value)| get.header(name, value)).call()?
            }
        };
        let body = response.body_mut().with_config().limit(LONGEST as u64).read_to_vec()?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (kind, location) = (header("content-type").to_owned(), header("location").to_owned());
        Ok(Answer { status: response.status().as_u16(), kind, location, body })
    }

    fn unsent(&self, error: ureq::Error) -> Failed {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Tls(_) => {
                Failed::Other(StorageError::permanent(error))
            }
            // What TLS does not like about the other side.
            ureq::Error::Io(error) if error.kind() == InvalidData => Failed::Other(self.untrusted(&error).into()),
            ureq::Error::Protocol(error) => {
                let message = format!("what is no HTTP ({error}): check the url and its port");
                Failed::Other(no_service("protocol", &message, ErrorKind::Permanent))
            }
            ureq::Error::Io(error)
                if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) =>
            {
                Failed::Broken(StorageError::transient(error))
            }
            error => Failed::Other(StorageError::transient(error)),
        }
    }

    fn untrusted(&self, error: &io::Error) -> AdapterError {
        let problem = "no secure connection to the server at the url can be made";
        let remedy = if self.trusts_its_own {
            "check the host and the port, and whether the service's certificate is for that host and by one of the authorities whose root certificates \
             were given: no others are trusted then"
        } else {
            "check the host and the port, and give the service a certificate for that host by an authority that Mozilla trusts; or name the \
             service's own authority: by root_certificates, or by ?cacert=FILE behind the url"
        };
        AdapterError::wrong_setup("TLS", error.to_string(), problem, remedy)
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
        let storage =
            HttpStorage::builder(url).token("t0ken").header("cf-access-client-secret", "s3cret").build().unwrap();
        let error = block_on(storage.check()).unwrap_err();
        server.join().unwrap();
        assert!(!error.to_string().contains("t0ken") && !format!("{error:?}").contains("s3cret"), "{error:?}");
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
