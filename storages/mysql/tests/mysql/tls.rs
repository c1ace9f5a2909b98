//! Connections under TLS: `cargo test -p lessor-mysql --features tls-rustls`.

use std::fs;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt, Term};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use lessor_servers::mysql::{Server, pool};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use smol::block_on;

use crate::support::{claim, granted, number};

/// What is trusted works, and what is not trusted is refused.
#[test]
fn under_tls() {
    const ENCRYPTED: &str = "SELECT variable_value <> '' FROM information_schema.session_status
        WHERE variable_name = 'SSL_CIPHER'";
    let certificate = |name: &str| {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_string()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    };
    let (ours, key_of_ours) = certificate("localhost");
    let (others, _) = certificate("localhost");
    let server = Server::with_tls(&ours, &key_of_ours);
    let folder = tempfile::tempdir().unwrap();
    let trusting = |pem: &str, name: &str| -> MySqlConnectOptions {
        let file = folder.path().join(name);
        fs::write(&file, pem).unwrap();
        server.options().ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(file)
    };
    block_on(async {
        let pool = pool(trusting(&ours, "ours").host("localhost"), 4);
        let storage = MySqlStorage::new(pool.clone());
        storage.migrate().await.unwrap();
        assert_eq!(granted(storage.acquire(claim("k", 1)).await), Term::FIRST);
        assert_eq!(number(&pool, ENCRYPTED).await, 1);

        // Without a word about certificates it is encrypted all the same.
        let preferred = self::pool(server.options().ssl_mode(MySqlSslMode::Preferred), 1);
        assert_eq!(number(&preferred, ENCRYPTED).await, 1);
        assert_eq!(number(&server.pool(1), ENCRYPTED).await, 0, "what is counted counts");

        for options in [trusting(&others, "others").host("localhost"), trusting(&ours, "ours").host("127.0.0.1")] {
            let error = MySqlStorage::new(self::pool(options, 1)).check().await.unwrap_err();
            assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        }
    });
}
