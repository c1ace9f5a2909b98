//! What the tests have in common.

use std::time::Duration;

use futures::StreamExt;
use lessor::storage::{Claim, Reply, Session};
use lessor::{Id, Storage, StorageError, StorageExt, Term, Value};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::mysql::MySqlPool;
use lessor_mysql::sqlx::{self, AssertSqlSafe, Executor, MySql, Transaction};
pub(crate) use lessor_servers::asking::{
    at_once, claim_for, granted, key, lasting, now, patiently, release, renewal, requests, woken,
};
use lessor_servers::mysql::Server;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// For an hour.
pub(crate) fn claim(key: &str, session: u128) -> Claim {
    claim_for(HOUR, key, session)
}

pub(crate) fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

/// As [`granted`], in a batch.
pub(crate) fn granted_reply(reply: Result<Reply, StorageError>) -> Term {
    match reply.unwrap() {
        Reply::Acquired(acquired) => granted(Ok(acquired)),
        other => panic!("{other:?}"),
    }
}

/// With its table, and a pool of the test's own.
pub(crate) async fn storage(server: &Server) -> (MySqlStorage, MySqlPool) {
    let pool = server.pool(8);
    let storage = MySqlStorage::new(&pool);
    storage.migrate().await.unwrap();
    storage.check().await.unwrap();
    (storage, pool)
}

pub(crate) async fn run(pool: &MySqlPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

pub(crate) async fn number(pool: &MySqlPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

/// Another transaction on every row.
pub(crate) async fn lock(pool: &MySqlPool) -> Transaction<'static, MySql> {
    let mut other = pool.begin().await.unwrap();
    other.execute("SELECT * FROM lessor_leases FOR UPDATE").await.unwrap();
    other
}

/// The answer: a moment before nothing is locked any more.
pub(crate) async fn unlock(other: Transaction<'_, MySql>, after: Duration) -> Duration {
    smol::Timer::after(after).await;
    let unlocked = now();
    other.rollback().await.unwrap();
    unlocked
}

/// Statements that wait on the server.
pub(crate) async fn waiting(pool: &MySqlPool) -> i64 {
    number(pool, "SELECT COUNT(*) FROM information_schema.processlist WHERE info REGEXP '^(UPDATE|INSERT) '").await
}

/// None waits, or is about to be taken from the list: for a moment a statement stands there that was answered already. One that
/// waits in vain stands there for a second at least.
pub(crate) async fn nobody_waits(pool: &MySqlPool) {
    for _ in 0..50 {
        if waiting(pool).await == 0 {
            return;
        }
        smol::Timer::after(Duration::from_millis(5)).await;
    }
    panic!("a statement waits");
}

/// Every operation once, alone and in a batch, with texts of every kind.
pub(crate) async fn cycle(storage: &MySqlStorage, name: &str) {
    use futures::FutureExt;
    use lessor::storage::{Get, List, Renewed};

    let text = format!(r#"{name} '"`; DROP TABLE victim; -- $1 ? \ %s ☃ "#);
    let [odd, padded] = [text.clone(), format!("{text} ")].map(|key| {
        let id = Id::new(r#"\'"?☃ "#).unwrap();
        let claim = Claim::new(self::key(&key), id, Session::from_bits(u128::MAX << 8), HOUR);
        claim.value(Some(Value::new(&text).unwrap()))
    });
    let mut wakeups = storage.subscribe(&odd.key);
    let first = granted(storage.acquire(odd.clone()).await);
    woken(&mut wakeups).await;
    // A space at its end makes another key, and so does a capital letter.
    assert_eq!(storage.get(&padded.key).await.unwrap(), None);
    assert_eq!(granted(storage.acquire(padded.clone()).await), Term::FIRST);
    assert_eq!(storage.get(&key(&text.to_uppercase())).await.unwrap(), None);
    assert!(matches!(storage.renew(renewal(&odd, first)).await.unwrap(), Renewed::Extended { .. }));
    let renewals = [renewal(&odd, first), renewal(&padded, Term::FIRST)];
    for renewed in storage.call_all(requests(renewals)).await {
        assert!(matches!(renewed.unwrap(), Reply::Renewed(Renewed::Extended { .. })));
    }
    assert!(wakeups.next().now_or_never().is_none(), "renewals wake nobody");
    let lease = storage.get(&odd.key).await.unwrap().unwrap();
    assert_eq!((&lease.id, &lease.value), (&Some(odd.id.clone()), &odd.value));
    let left = lease.time_left;
    assert!(left > Duration::from_secs(3590) && left <= HOUR, "{left:?}");
    assert!(lease.age.is_some_and(|age| age < Duration::from_secs(60)), "{lease:?}");
    let page = storage.list(List::new().prefix(&text)).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| &entry.key).collect::<Vec<_>>(), [&odd.key, &padded.key]);
    assert_eq!((page.entries[0].lease.version, page.next), (lease.version, None));

    storage.release(release(&odd)).await.unwrap();
    woken(&mut wakeups).await;
    let again = [odd.clone().after(Some(first)), padded.clone().after(Some(Term::FIRST))];
    for acquired in storage.call_all(requests(again)).await {
        assert!(granted_reply(acquired) > first);
    }
    woken(&mut wakeups).await;
    let before = storage.revoke(at_once(&odd.key)).await.unwrap().unwrap();
    assert_eq!((before.id, Some(before.term)), (Some(odd.id.clone()), first.next()));
    woken(&mut wakeups).await;
    assert_eq!(storage.revoke(at_once(&odd.key)).await.unwrap(), None);
    for released in storage.call_all(requests([release(&odd), release(&padded)])).await {
        assert_eq!(released, Ok(Reply::Released));
    }
    for lease in storage.call_all(requests([odd.key, padded.key].map(Get::new))).await {
        let Reply::Got(Some(lease)) = lease.unwrap() else { panic!("{name}") };
        assert_eq!((lease.id, lease.age), (None, None));
    }
}
