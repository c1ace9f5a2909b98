//! Elections over `https://`.

use std::fs;
use std::path::{Path, PathBuf};

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageError};
use lessor_etcd::etcd_client::{Certificate, Identity, TlsOptions};
use lessor_etcd::{AdapterError, EtcdStorage};
use lessor_servers::etcd::{Release, Server};
use lessor_servers::hand_over::hand_over;
use smol::block_on;
use tempfile::TempDir;

/// A certificate and its key, in files.
struct Pair {
    folder: TempDir,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trusted(&self) -> TlsOptions {
        TlsOptions::new().ca_certificate(Certificate::from_pem(fs::read(self.path("cert.pem")).unwrap()))
    }

    fn identity(&self) -> Identity {
        Identity::from_pem(fs::read(self.path("cert.pem")).unwrap(), fs::read(self.path("key.pem")).unwrap())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn server(pair: &Pair, more: &[&str]) -> Server {
    let (cert, key) = (pair.path("cert.pem"), pair.path("key.pem"));
    let cert = format!("--cert-file={}", text(&cert));
    let key = format!("--key-file={}", text(&key));
    let arguments: Vec<_> = [&*cert, &*key].into_iter().chain(more.iter().copied()).collect();
    Server::with(Release::V3_5, &arguments)
}

#[test]
fn a_trusted_server() {
    let pair = Pair::new();
    let server = server(&pair, &[]);
    let storage = |endpoint: String| EtcdStorage::builder().tls(pair.trusted()).build([endpoint]).unwrap();
    block_on(hand_over(storage(server.endpoint())));
    // By its name, too.
    block_on(hand_over(storage(server.endpoint().replace("127.0.0.1", "localhost"))));
}

/// A server that asks who one is.
#[test]
fn a_client_with_a_certificate() {
    let (pair, client) = (Pair::new(), Pair::new());
    let trusted = client.path("cert.pem");
    let server = server(&pair, &["--client-cert-auth", &format!("--trusted-ca-file={}", text(&trusted))]);
    let storage = |tls: TlsOptions| EtcdStorage::builder().tls(tls).build([server.endpoint()]).unwrap();
    block_on(hand_over(storage(pair.trusted().identity(client.identity()))));
    block_on(storage(pair.trusted()).check()).unwrap_err();
}

fn check(endpoint: String, tls: Option<TlsOptions>) -> StorageError {
    let builder = EtcdStorage::builder();
    let builder = match tls {
        Some(tls) => builder.tls(tls),
        None => builder,
    };
    block_on(builder.build([endpoint]).unwrap().check()).unwrap_err()
}

/// Somebody has to act.
#[test]
fn what_is_not_trusted() {
    let (pair, other) = (Pair::new(), Pair::new());
    let server = server(&pair, &[]);
    for tls in [None, Some(other.trusted())] {
        let error = check(server.endpoint(), tls);
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::NoConnection { .. })), "{error}");
        let said = error.to_string();
        assert!(said.contains("check the host and the port") && said.contains(&server.endpoint()), "{said}");
    }
    // A name that is not in the certificate.
    let named = check(server.endpoint(), Some(pair.trusted().domain_name("etcd.example.com")));
    assert_eq!(named.kind(), ErrorKind::Permanent, "{named}");
}

/// One speaks TLS and the other does not.
#[test]
fn one_without_tls() {
    let pair = Pair::new();
    let (secret, open) = (server(&pair, &[]), Server::start());
    let error = check(secret.endpoint().replace("https", "http"), None);
    assert!(error.to_string().contains("one that speaks TLS (https://)"), "{error}");
    // The server hangs up, in one way or the other.
    let error = check(open.endpoint().replace("http", "https"), Some(pair.trusted()));
    assert!(error.to_string().contains("the server may not speak TLS (http://)"), "{error}");
}
