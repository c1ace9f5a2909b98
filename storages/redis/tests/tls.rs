//! Elections over `rediss://`, on both kinds of sockets.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageError};
use lessor_redis::RedisStorage;
use lessor_redis::redis::{Client, TlsCertificates};
use lessor_servers::free_port;
use lessor_servers::hand_over::hand_over;
use lessor_servers::redis::{Keeps, PASSWORD, Server};
use tempfile::TempDir;

/// Writes `key.pem`, and `cert.pem`, which it signs itself.
fn make_certificate(folder: &Path) {
    let subject = ["-subj", "/CN=lessor tests", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2"]).args(subject);
    // A client takes no certificate authority for a server.
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    let made = command.args(["-keyout", "key.pem", "-out", "cert.pem"]).output();
    let made = made.expect("openssl is not installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn over_tls() {
    let folder = TempDir::new().unwrap();
    make_certificate(folder.path());
    let file = |name: &str| folder.path().join(name);
    let port = free_port();
    let settings = [
        format!("tls-port {port}"),
        format!("tls-cert-file {}", file("cert.pem").display()),
        format!("tls-key-file {}", file("key.pem").display()),
        "tls-auth-clients no".to_string(),
    ];
    let _server = Server::with(Keeps::Nothing, &settings.each_ref().map(String::as_str));
    let url = format!("rediss://:{PASSWORD}@localhost:{port}/");

    let election = async || {
        let roots = TlsCertificates { client_tls: None, root_cert: Some(fs::read(file("cert.pem")).unwrap()) };
        let client = Client::build_with_tls(url.as_str(), roots).unwrap();
        let storage = RedisStorage::builder().max_ttl(Duration::from_secs(600)).unwrap().build(client);
        storage.initialise().await.unwrap();
        hand_over(storage).await;
        // Nobody of Mozilla's has signed it.
        let refused: StorageError = RedisStorage::new(Client::open(&*url).unwrap()).check().await.unwrap_err();
        assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
        assert!(refused.to_string().contains("Client::build_with_tls"), "it says what to do: {refused}");
        assert_eq!(refused.kind(), ErrorKind::Permanent);
    };
    smol::block_on(election());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(election());
}
