//! R11: within the transaction of a write the newest term wins, and an older one is refused.

use std::time::Duration;

use futures::future::join;
use lessor::Fence;
use lessor::storage::ErrorKind;
use lessor_mysql::sqlx::{Connection, MySqlConnection};
use lessor_mysql::{AdapterError, NotAdmitted, admit};
use lessor_servers::mysql::{DATABASE, Server};
use smol::block_on;

use crate::support::{number, run, term};

#[test]
fn in_the_own_transaction() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let [one, two] = [1, 2].map(term);
        let mut connection = MySqlConnection::connect_with(&server.options().database(DATABASE)).await.unwrap();
        let NotAdmitted::Failed(missing) = admit(&mut connection, "r", one).await.unwrap_err() else {
            panic!("there is no table")
        };
        let remedy = AdapterError::of(&missing).map(ToString::to_string).unwrap_or_default();
        assert!(remedy.contains("lessor_fences") && remedy.contains("Fence::MYSQL_CREATE_TABLE"), "{missing}");

        run(&pool, Fence::MYSQL_CREATE_TABLE).await;
        let mut first = pool.begin().await.unwrap();
        admit(&mut first, "r", one).await.unwrap();
        admit(&mut first, "R", two).await.unwrap();
        first.commit().await.unwrap();
        let mut newer = pool.begin().await.unwrap();
        admit(&mut newer, "r", two).await.unwrap();
        // The older waits for the newer, and is then refused.
        let older = async {
            let mut older = pool.begin().await.unwrap();
            let refused = admit(&mut older, "r", one).await.unwrap_err();
            assert!(matches!(refused, NotAdmitted::Stale(stale) if (stale.term, stale.newest) == (one, two)));
        };
        join(older, async {
            const WAITING: &str = "SELECT COUNT(*) FROM information_schema.processlist
                WHERE info LIKE 'INSERT INTO lessor_fences%'";
            while number(&pool, WAITING).await == 0 {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
            newer.commit().await.unwrap();
        })
        .await;
        let mut again = pool.begin().await.unwrap();
        admit(&mut again, "r", two).await.unwrap();
        again.commit().await.unwrap();
        assert_eq!(number(&pool, "SELECT term FROM lessor_fences WHERE resource = 'r'").await, 2);
        let failed = admit(&mut connection, &"r".repeat(256), two).await.unwrap_err();
        assert!(matches!(failed, NotAdmitted::Failed(error) if error.kind() == ErrorKind::Permanent));
    });
}
