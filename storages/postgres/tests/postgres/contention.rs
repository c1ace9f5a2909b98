//! Many who want the same.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use lessor::StorageExt;
use lessor::storage::{Acquired, ErrorKind};
use lessor_postgres::PostgresStorage;
use lessor_servers::asking::Contest;
use lessor_servers::postgres::{Server, pool};
use smol::block_on;

use crate::{claim, lasting, number, storage};

/// Sixteen at once on leases that end all the time: every grant has a term of its own, and they grow.
#[test]
fn contention() {
    const CLIENTS: u128 = 16;
    const ENOUGH: usize = 100;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let contest = Contest::begin(ENOUGH);
        let clients = (1..=CLIENTS).map(|number| {
            let pool = self::pool(server.options(), 1);
            let contest = contest.clone();
            async move {
                let storage = PostgresStorage::builder().wakeups(false).build(pool);
                let mut claim = lasting(Duration::from_millis(5), claim("k", number));
                let mut terms = Vec::new();
                while contest.goes_on() {
                    match storage.acquire(claim.clone()).await {
                        Ok(Acquired::Granted { term, .. }) => {
                            terms.push(term);
                            contest.grant();
                            claim.after = Some(term);
                        }
                        Ok(Acquired::Refused { lease, .. }) => {
                            claim.after = claim.after.max(lease.map(|lease| lease.term));
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                        other => panic!("{other:?}"),
                    }
                }
                terms
            }
        });
        let all = join_all(clients.map(smol::spawn)).await;
        let count: usize = all.iter().map(Vec::len).sum();
        for terms in &all {
            assert!(terms.is_sorted_by(|one, next| one < next));
        }
        let distinct: BTreeSet<_> = all.into_iter().flatten().collect();
        assert_eq!(distinct.len(), count);
        let newest = number(&pool, "SELECT term FROM lessor_leases").await;
        assert!(distinct.iter().all(|term| i64::from(*term) <= newest));
        println!("{count} grants, the newest term is {newest}");
        assert!(count > ENOUGH, "{count}");
    });
}
