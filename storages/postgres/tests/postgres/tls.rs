//! Connections under TLS: `cargo test -p lessor-postgres --features tls-rustls`.

use std::fs;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt, Term};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::{PgConnectOptions, PgSslMode};
use lessor_servers::postgres::{Server, pool};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use smol::block_on;

use crate::{claim, granted, key, number, woken};

/// The operations and the wake-ups too; and what is not trusted is refused.
#[test]
fn under_tls() {
    const PLAIN: &str =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port IS NOT NULL AND NOT ssl";
    let certificate = |name: &str| {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_string()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    };
    let (ours, key_of_ours) = certificate("localhost");
    let (others, _) = certificate("localhost");
    let server = Server::with_tls(&ours, &key_of_ours);
    let folder = tempfile::tempdir().unwrap();
    let trusting = |pem: &str, name: &str| -> PgConnectOptions {
        let file = folder.path().join(name);
        fs::write(&file, pem).unwrap();
        server.options().ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(file)
    };
    block_on(async {
        let pool = pool(trusting(&ours, "ours").host("localhost"), 4);
        let storage = PostgresStorage::new(pool.clone());
        storage.migrate().await.unwrap();
        let mut wakeups = storage.subscribe(&key("k"));
        woken(&mut wakeups).await;
        assert_eq!(granted(storage.acquire(claim("k", 1)).await), Term::FIRST);
        woken(&mut wakeups).await;
        assert_eq!(number(&pool, PLAIN).await, 0);

        for options in [trusting(&others, "others").host("localhost"), trusting(&ours, "ours").host("127.0.0.1")] {
            let error = PostgresStorage::new(self::pool(options, 1)).check().await.unwrap_err();
            assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        }
    });
}
