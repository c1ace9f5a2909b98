//! What MariaDB can do without, MySQL waits for: a session that waits for a second keeps the contract too, and does not
//! wait.

use core::time::Duration;
use std::sync::Arc;

use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::storage::{Acquired, Claim, Release, Renewal, Reply, Request, Revoke, Session};
use lessor::{Id, Key, Storage, StorageError, SystemTimer, Term, Timer, async_trait};
use lessor_kit::lane::{Answer, Lane, Server as _};
use lessor_servers::mysql::Server;
use sqlx::Executor;

use crate::MySqlStorage;
use crate::address::{Door, Link};
use crate::server::Primary;
use crate::table::Table;

const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

fn primary(server: &Server) -> Primary {
    let door = Door::new(server.options().into(), LOCK_TIMEOUT).without_mariadbs();
    Primary::new(door, Table::standard(), LOCK_TIMEOUT)
}

/// Clones of one storage, since only they wake one another.
struct AsOnMySql(Server, MySqlStorage);

async fn as_on_mysql() -> AsOnMySql {
    let server = Server::start();
    let storage = MySqlStorage(Arc::new(Lane::new(primary(&server), 2)));
    storage.migrate().await.unwrap();
    AsOnMySql(server, storage)
}

#[async_trait]
impl Harness for AsOnMySql {
    type Storage = MySqlStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<MySqlStorage, StorageError> {
        Ok(self.1.clone())
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        self.0.crash();
        Ok(Power::Used)
    }
}

#[test]
fn the_contract() -> Result<(), Failures> {
    smol::block_on(async { conformance::run(&as_on_mysql().await).await.into_result() })
}

/// Every write of one key alone asks for the row's lock first.
#[test]
fn no_write_waits() {
    smol::block_on(async {
        let AsOnMySql(server, storage) = as_on_mysql().await;
        let primary = primary(&server);
        let key = Key::new("k").unwrap();
        let claim = Claim::new(key.clone(), Id::new("a").unwrap(), Session::from_bits(1), Duration::from_secs(60));
        let granted = storage.call(claim.clone().into()).await;
        assert!(matches!(granted, Ok(Reply::Acquired(Acquired::Granted { .. }))), "{granted:?}");
        let mut link = primary.connect().await.unwrap();
        assert!(link.waits);
        let mut other = primary.door.open().await.unwrap().connection;
        other.execute("START TRANSACTION").await.unwrap();
        other.execute("SELECT * FROM lessor_leases FOR UPDATE").await.unwrap();
        other.execute("INSERT INTO lessor_leases VALUES ('new', NULL, 'h', 1, 1, 1, 1, 1, NULL)").await.unwrap();
        let Claim { id, session, ttl, .. } = claim.clone();
        let first = Claim::new(Key::new("new").unwrap(), id.clone(), session, ttl);
        let requests: [Request; 5] = [
            claim.into(),
            first.into(),
            Renewal::new(key.clone(), id, session, Term::FIRST, ttl).into(),
            Release::new(key.clone(), session).into(),
            Revoke::new(key).into(),
        ];
        for request in requests {
            let operation = request.operation();
            let waited = wait_of(&primary, &mut link, &request).await;
            assert!(waited < Duration::from_millis(900), "{operation:?} has waited for {waited:?}");
        }
    });
}

async fn wait_of(primary: &Primary, link: &mut Link, request: &Request) -> Duration {
    let timer = SystemTimer::new();
    let began = timer.now();
    let answers = primary.try_to_answer(link, core::slice::from_ref(request)).await.unwrap();
    assert!(matches!(answers[..], [Answer::Locked]), "{answers:?}");
    timer.now().saturating_duration_since(began)
}
