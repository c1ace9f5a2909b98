//! Elections over TLS.

use std::fs;
use std::path::PathBuf;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageError};
use lessor_nats::async_nats::ConnectOptions;
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::hand_over::hand_over;
use lessor_servers::nats::Server;
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

    fn server(&self, more: &str) -> Server {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        Server::with(&format!("jetstream: enabled\ntls {{ cert_file: {cert:?}, key_file: {key:?}, {more} }}"))
    }

    fn trusted(&self) -> ConnectOptions {
        ConnectOptions::new().add_root_certificates(self.path("cert.pem"))
    }
}

fn storage(address: String, options: ConnectOptions) -> NatsStorage {
    NatsStorage::builder().options(options).build([address]).unwrap()
}

async fn elections(storage: NatsStorage) {
    storage.migrate().await.unwrap();
    hand_over(storage).await;
}

/// By its address, by its name, and where nothing but TLS will do.
#[test]
fn a_trusted_server() {
    let pair = Pair::new();
    let server = pair.server("");
    let address = server.address();
    let by_name = address.replace("127.0.0.1", "localhost");
    for address in [address.replace("nats://", "tls://"), address, by_name] {
        block_on(elections(storage(address, pair.trusted())));
    }
}

/// A server that asks who one is.
#[test]
fn a_client_with_a_certificate() {
    let (pair, client) = (Pair::new(), Pair::new());
    let trusted = client.path("cert.pem");
    let server = pair.server(&format!("verify: true, ca_file: {trusted:?}"));
    let known = pair.trusted().add_client_certificate(client.path("cert.pem"), client.path("key.pem"));
    block_on(elections(storage(server.address(), known)));
    block_on(storage(server.address(), pair.trusted()).check()).unwrap_err();
}

fn check(address: String, options: ConnectOptions) -> StorageError {
    block_on(storage(address, options).check()).unwrap_err()
}

/// Somebody has to act.
#[test]
fn what_is_not_trusted() {
    let (pair, other) = (Pair::new(), Pair::new());
    let server = pair.server("");
    for options in [ConnectOptions::new(), other.trusted()] {
        let error = check(server.address(), options);
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::NoConnection { .. })), "{error}");
        let said = error.to_string();
        assert!(said.contains("check the host and the port") && said.contains(&server.address()), "{said}");
    }
    let missing = ConnectOptions::new().add_root_certificates(pair.path("nothing.pem"));
    let error = check(server.address(), missing);
    assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
    assert!(error.to_string().contains("correct the file"), "{error}");
}

/// TLS that was asked for is never left out.
#[test]
fn a_server_without_tls() {
    let server = Server::start();
    let secret = server.address().replace("nats://", "tls://");
    check(secret, ConnectOptions::new());
    check(server.address(), ConnectOptions::new().require_tls(true));
}
