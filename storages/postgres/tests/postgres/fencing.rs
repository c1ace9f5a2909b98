//! Fenced writes.

use std::time::Duration;

use futures::future::join;
use lessor::Term;
use lessor::storage::ErrorKind;
use lessor_postgres::sqlx::{self, Row};
use lessor_postgres::{AdapterError, NotAdmitted, PostgresStorage, admit};
use lessor_servers::postgres::Server;
use smol::block_on;

/// Within the transaction of a write the newest term wins, and an older one is refused.
#[test]
fn in_the_own_transaction() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let [one, two] = [1, 2].map(|term| Term::new(term).unwrap());
        let error = admit(&mut pool.begin().await.unwrap(), "r", one).await.unwrap_err();
        let NotAdmitted::Failed(error) = error else { panic!("{error}") };
        let no_table = |error: &AdapterError| {
            matches!(error, AdapterError::NoTable { table, remedy, .. }
                if table == "lessor_fences" && remedy.contains("migrate_fences()"))
        };
        assert!(error.kind() == ErrorKind::Permanent && AdapterError::of(&error).is_some_and(no_table), "{error}");

        PostgresStorage::new(&pool).migrate_fences().await.unwrap();
        let mut newer = pool.begin().await.unwrap();
        admit(&mut newer, "r", two).await.unwrap();
        // The older waits for the newer, and is then refused.
        let older = async {
            let mut older = pool.begin().await.unwrap();
            let refused = admit(&mut older, "r", one).await.unwrap_err();
            assert!(matches!(refused, NotAdmitted::Stale(stale) if (stale.term, stale.newest) == (one, two)));
        };
        join(older, async {
            smol::Timer::after(Duration::from_millis(100)).await;
            newer.commit().await.unwrap();
        })
        .await;
        let mut again = pool.begin().await.unwrap();
        admit(&mut again, "r", two).await.unwrap();
        again.commit().await.unwrap();
        let row = sqlx::query("SELECT term FROM lessor_fences").fetch_one(&pool).await.unwrap();
        assert_eq!(row.get::<i64, _>("term"), 2);
    });
}
