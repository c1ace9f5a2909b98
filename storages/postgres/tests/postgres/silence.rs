//! A server that is there and says nothing, as behind a router that has forgotten its connections.

use std::net::TcpListener;
use std::time::Duration;

use futures::future::join3;
use lessor::Storage;
use lessor::storage::ErrorKind;
use lessor_kit::timeout::within;
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgConnectOptions;
use smol::block_on;

/// Nothing that a program begins with waits for ever.
#[test]
fn a_silent_server() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("app");
    let storage = PostgresStorage::new(address);
    block_on(async {
        let all = join3(storage.check(), storage.migrate(), storage.migrate_fences());
        let (checked, migrated, fenced) = within(Duration::from_secs(30), all).await.expect("all of them end");
        for answer in [checked, migrated, fenced] {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Transient);
        }
    });
}
