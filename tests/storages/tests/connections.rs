//! What a single connection or a single row can do to the others: nothing.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use lessor::storage::postgres::sqlx;
use lessor::storage::postgres::sqlx::postgres::PgPoolOptions;
use lessor::{
    Acquired, Claim, ErrorKind, Holder, Key, MySqlStorage, PostgresStorage, Renewed, Session, Storage, SystemTimer,
    Takeover, Term, Timer,
};
use lessor_storage_tests::wire::Wire;
use lessor_storage_tests::{mysql, postgres};
use smol::block_on;

fn claim(key: &str) -> Claim {
    Claim {
        key: Key::new(key).unwrap(),
        holder: Holder::new("a").unwrap(),
        session: Session::from_bits(1),
        ttl: Duration::from_secs(10),
        value: None,
        after: None,
        takeover: Takeover::Expired,
    }
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
    for answer in join_all(claims.iter().map(|claim| storage.acquire(claim))).await {
        assert!(matches!(answer, Ok(Acquired::Granted { .. })), "{answer:?}");
    }
    let opened = wire.opened();
    wire.silence();
    let mut tries = 0;
    loop {
        let renewed = within(Duration::from_millis(500), storage.renew(&claims[0], Term::FIRST)).await;
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
        let storage = PostgresStorage::builder().wakeups(false).pool(pool);
        storage.migrate().await.unwrap();
        outlives_silence(&storage, &wire).await;
    });
}

#[test]
fn mysql_outlives_silent_connections() {
    let server = mysql::Server::start();
    let wire = Wire::to(server.port());
    block_on(async {
        let pool = sqlx::mysql::MySqlPoolOptions::new().max_connections(4).test_before_acquire(false);
        let storage = MySqlStorage::new(pool.connect_lazy_with(server.options().port(wire.port())));
        storage.migrate().await.unwrap();
        outlives_silence(&storage, &wire).await;
    });
}

/// An error about one key is no verdict on another: one row that somebody locks fails alone.
#[test]
fn one_locked_row_in_a_batch() {
    let server = postgres::Server::start();
    block_on(async {
        let pool = server.pool(4);
        let storage = PostgresStorage::new(pool.clone());
        storage.migrate().await.unwrap();
        let claims: Vec<_> = (0..100).map(|number| claim(&number.to_string())).collect();
        assert!(storage.acquire_all(&claims).await.iter().all(Result::is_ok));
        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM lessor_leases WHERE key = '7' FOR UPDATE").execute(&mut *other).await.unwrap();
        let renewals: Vec<_> = claims.iter().map(|claim| (claim.clone(), Term::FIRST)).collect();
        let releases: Vec<_> = claims.iter().map(|claim| (claim.key.clone(), claim.session)).collect();
        let renewed =
            storage.renew_all(&renewals).await.into_iter().map(|answer| answer.map(|_| ())).collect::<Vec<_>>();
        let claimed =
            storage.acquire_all(&claims).await.into_iter().map(|answer| answer.map(|_| ())).collect::<Vec<_>>();
        for answers in [renewed, claimed, storage.release_all(&releases).await] {
            for (number, answer) in answers.into_iter().enumerate() {
                match answer {
                    Ok(()) => assert_ne!(number, 7),
                    Err(error) => assert!(number == 7 && error.kind() == ErrorKind::Transient, "{number}: {error}"),
                }
            }
        }
    });
}

/// A later version may add a column: the statements that are prepared go on.
#[test]
fn a_new_column() {
    let server = postgres::Server::start();
    block_on(async {
        let storage = PostgresStorage::new(server.pool(1));
        storage.migrate().await.unwrap();
        let granted = |answer| matches!(answer, Ok(Acquired::Granted { .. }));
        assert!(granted(storage.acquire(&claim("k")).await));
        let add = "ALTER TABLE lessor_leases ADD COLUMN note text";
        sqlx::raw_sql(add).execute(&server.pool(1)).await.unwrap();
        assert!(granted(storage.acquire(&claim("k")).await) && granted(storage.acquire(&claim("other")).await));

        // What does not fit any more heals with a new connection.
        let change = "ALTER TABLE lessor_leases ALTER COLUMN holder TYPE varchar(128)";
        sqlx::raw_sql(change).execute(&server.pool(1)).await.unwrap();
        let error = storage.acquire(&claim("k")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        assert!(granted(storage.acquire(&claim("k")).await));
    });
}

/// First claims hold no locks while they wait for another's.
#[test]
fn first_claims_beside_an_open_transaction() {
    let server = mysql::Server::start();
    block_on(async {
        let pool = server.pool(8);
        let storage = MySqlStorage::new(pool.clone());
        storage.migrate().await.unwrap();
        let mut other = pool.begin().await.unwrap();
        let insert = "INSERT INTO lessor_leases VALUES ('z', NULL, 'h', 1, 1, 1, 1, NULL)";
        sqlx::query(insert).execute(&mut *other).await.unwrap();
        let mut claims: Vec<_> = (0..5).map(|number| claim(&number.to_string())).collect();
        claims.insert(2, claim("z"));
        let began = SystemTimer::new().now();
        for (claim, answer) in claims.iter().zip(storage.acquire_all(&claims).await) {
            assert_eq!(answer.is_ok(), claim.key.as_str() != "z", "{}: {answer:?}", claim.key);
        }
        let took = SystemTimer::new().now().saturating_duration_since(began);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let elsewhere = MySqlStorage::new(server.pool(2));
        let seen = within(Duration::from_secs(5), elsewhere.acquire(&claims[0])).await;
        assert!(matches!(seen, Some(Ok(Acquired::Granted { .. }))), "{seen:?}");
    });
}
