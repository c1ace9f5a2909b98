//! A table in partitions: a row's place is unique within its own alone.

use lessor::storage::Reply;
use lessor::{Storage, StorageExt, Term};
use lessor_postgres::PostgresStorage;
use lessor_servers::asking::patiently;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted, granted_in, is_extended, number, release, renewal, run};

/// What is written of one key is written of no other.
#[test]
fn rows_at_the_same_place() {
    const KEYS: u128 = 40;
    const HALF: i64 = KEYS as i64 / 2;
    let server = Server::start();
    block_on(async {
        let pool = server.pool(1);
        let whole = PostgresStorage::builder().migration_sql();
        let parted = whole.replace(") WITH (fillfactor = 50)", ") PARTITION BY HASH (key)");
        assert_ne!(parted, whole);
        run(&pool, &parted).await;
        for part in 0..4 {
            let create = "PARTITION OF lessor_leases FOR VALUES WITH (MODULUS 4, REMAINDER";
            run(&pool, &format!("CREATE TABLE part_{part} {create} {part})")).await;
        }
        let storage = PostgresStorage::new(server.options());
        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number:02}"), 1 + number)).collect();
        let replies = storage.call_all(patiently(claims.clone())).await;
        assert!(replies.iter().all(|reply| granted_in(reply) == Some(Term::FIRST)), "{replies:?}");
        let (some, others) = claims.split_at(KEYS as usize / 2);

        let renewals = some.iter().map(|claim| renewal(claim, Term::FIRST));
        let replies = storage.call_all(patiently(renewals)).await;
        assert!(replies.iter().all(is_extended), "{replies:?}");
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE version = 1").await, HALF);
        let _ = storage.renew(renewal(&some[0], Term::FIRST)).await.unwrap();
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE version = 3").await, 1);

        let replies = storage.call_all(patiently(some.iter().map(release))).await;
        assert!(replies.iter().all(|reply| *reply == Ok(Reply::Released)), "{replies:?}");
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE session IS NULL").await, HALF);

        let next = some.iter().map(|claimed| claim(claimed.key.as_str(), 1_000).after(Some(Term::FIRST)));
        let replies = storage.call_all(patiently(next)).await;
        assert!(replies.iter().all(|reply| granted_in(reply) > Some(Term::FIRST)), "{replies:?}");
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE term = 1 AND version = 1").await, HALF);
        for other in others {
            assert_eq!(granted(storage.acquire(other.clone()).await), Term::FIRST, "{} is its own", other.key);
        }
    });
}
