//! How the server finds the rows.

use std::time::Duration;

use lessor::storage::{Get, Request};
use lessor::{Storage, Term};
use lessor_postgres::PostgresStorage;
use lessor_servers::asking::patiently;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted_in, is_extended, number, release, renewal, run, storage};

/// Statements that were first used when the table had three keys, and was known to have three, look up each key of
/// thousands. (A plan that reads the whole table for each of them would be kept until the statistics are new.)
#[test]
fn a_table_grows() {
    const FEW: usize = 3;
    const MANY: usize = 2_000;
    /// Sequentially, and by the index.
    const READ: &str = "SELECT pg_stat_get_tuples_returned('lessor_leases'::regclass)
        + pg_stat_get_tuples_returned('lessor_leases_pkey'::regclass)";
    const OTHERS: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        pool.close().await;
        let pool = server.pool(1);
        let storage = PostgresStorage::builder().wakeups(false).connections(1).build(&pool);
        let claims: Vec<_> = (0..MANY).map(|number| claim(&format!("{number}"), 1 + number as u128)).collect();
        let others: Vec<_> = claims.iter().map(|mine| claim(mine.key.as_str(), u128::MAX)).collect();
        let rounds = async |count: usize| {
            let asked = |requests: Vec<Request>| storage.call_all(patiently(requests));
            let mine = &claims[..count];
            let replies = asked(mine.iter().map(|claim| claim.clone().after(Some(Term::FIRST)).into()).collect()).await;
            assert!(replies.iter().all(|reply| granted_in(reply).is_some()), "{replies:?}");
            let terms: Vec<_> = replies.iter().filter_map(granted_in).collect();
            let renewals = mine.iter().zip(&terms).map(|(claim, term)| renewal(claim, *term).into());
            assert!(asked(renewals.collect()).await.iter().all(is_extended));
            // Refused twice: when it is not known who has them, and when it is.
            for _ in 0..2 {
                let replies = asked(others[..count].iter().map(|claim| claim.clone().into()).collect()).await;
                assert!(replies.iter().all(|reply| reply.is_ok() && granted_in(reply).is_none()), "{replies:?}");
            }
            asked(mine.iter().map(|claim| Get::new(claim.key.clone()).into()).collect()).await;
            asked(mine.iter().map(|claim| release(claim).into()).collect()).await;
        };
        rounds(FEW).await;
        run(&pool, "VACUUM ANALYZE lessor_leases").await;
        // After five times a plan is kept.
        for _ in 0..8 {
            run(&pool, "UPDATE lessor_leases SET term = 1, session = NULL, expires = 0").await;
            rounds(FEW).await;
        }
        run(&pool, "UPDATE lessor_leases SET term = 1, session = NULL, expires = 0").await;
        rounds(MANY).await;
        drop(storage);
        // A process tells what it has read when it ends, at the latest.
        while number(&pool, OTHERS).await > 0 {
            smol::Timer::after(Duration::from_millis(10)).await;
        }
        let read = number(&pool, READ).await;
        assert!(read > MANY as i64, "{read} rows");
        assert!(read < 10 * MANY as i64, "{read} rows are read for {MANY} keys");
    });
}
