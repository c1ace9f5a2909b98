//! What a dead connection or a locked row can do to the others: nothing.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use lessor::storage::{Acquired, Claim, Renewal, Renewed, Request, Session};
use lessor::{Id, Key, Storage, StorageExt, SystemTimer, Term, Timer};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx;
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgPoolOptions;
use lessor_servers::wire::Wire;
use lessor_servers::{mysql, postgres};
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

/// All connections of a pool die without a sign: each costs one request timeout, and then there are new ones.
async fn outlives_silence(storage: &impl Storage, wire: &Wire) {
    let claims: Vec<_> = (0..8).map(|number| claim(&number.to_string())).collect();
    for answer in join_all(claims.iter().map(|claim| storage.acquire(claim.clone()))).await {
        assert!(matches!(answer, Ok(Acquired::Granted { .. })), "{answer:?}");
    }
    let opened = wire.opened();
    wire.silence();
    let mut tries = 0;
    loop {
        let Claim { key, id, session, .. } = claims[0].clone();
        let renewal = Renewal::new(key, id, session, Term::FIRST, TTL);
        let renewed = within(Duration::from_millis(500), storage.renew(renewal)).await;
        let seen = within(Duration::from_millis(500), storage.get(&claims[0].key)).await;
        if matches!((renewed, seen), (Some(Ok(Renewed::Extended { .. })), Some(Ok(Some(_))))) {
            break;
        }
        tries += 1;
        assert!(tries <= opened, "{tries} tries, and only {opened} connections were dead");
    }
}

#[test]
fn postgres_outlives_silent_connections() {
    let server = postgres::Server::start();
    let wire = Wire::to(server.options().get_port());
    block_on(async {
        let pool = PgPoolOptions::new().max_connections(4).test_before_acquire(false);
        let pool = pool.connect_lazy_with(server.options().port(wire.port()));
        let storage = PostgresStorage::builder().wakeups(false).build(pool);
        storage.migrate().await.unwrap();
        outlives_silence(&storage, &wire).await;
    });
}

#[test]
fn mysql_outlives_silent_connections() {
    let server = mysql::Server::start();
    let wire = Wire::to(server.port());
    block_on(async {
        let storage = MySqlStorage::new(server.options().port(wire.port()));
        storage.migrate().await.unwrap();
        outlives_silence(&storage, &wire).await;
    });
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
