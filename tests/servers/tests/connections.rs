//! What a row that somebody holds can do to the others: nothing.

use std::time::Duration;

use futures::future::{Either, select};
use lessor::storage::{Acquired, Claim, Request, Session};
use lessor::{Id, Key, Storage, StorageExt, SystemTimer, Timer};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx;
use lessor_servers::mysql;
use smol::block_on;

const TTL: Duration = Duration::from_secs(10);

fn claim(key: &str) -> Claim {
    Claim::new(Key::new(key).unwrap(), Id::new("a").unwrap(), Session::from_bits(1), TTL)
}

async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    match select(Box::pin(answer), smol::Timer::after(limit)).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// First claims hold no locks while they wait for another's.
#[test]
fn first_claims_beside_an_open_transaction() {
    let server = mysql::Server::start();
    block_on(async {
        let pool = server.pool(8);
        let storage = MySqlStorage::new(&pool);
        storage.migrate().await.unwrap();
        let mut other = pool.begin().await.unwrap();
        let insert = "INSERT INTO lessor_leases VALUES ('z', NULL, 'h', 1, 1, 1, 1, 1, NULL)";
        sqlx::query(insert).execute(&mut *other).await.unwrap();
        let mut claims: Vec<_> = (0..5).map(|number| claim(&number.to_string())).collect();
        claims.insert(2, claim("z"));
        let began = SystemTimer::new().now();
        let requests: Vec<Request> = claims.iter().cloned().map(Into::into).collect();
        for (claim, answer) in claims.iter().zip(storage.call_all(requests).await) {
            assert_eq!(answer.is_ok(), claim.key.as_str() != "z", "{}: {answer:?}", claim.key);
        }
        let took = SystemTimer::new().now().saturating_duration_since(began);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let elsewhere = MySqlStorage::new(server.options());
        let seen = within(Duration::from_secs(5), elsewhere.acquire(claims[0].clone())).await;
        assert!(matches!(seen, Some(Ok(Acquired::Granted { .. }))), "{seen:?}");
    });
}
