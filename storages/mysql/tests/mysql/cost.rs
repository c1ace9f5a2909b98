//! What an operation costs the server.

use std::time::Duration;

use lessor::storage::{Acquired, ErrorKind, List};
use lessor::{StorageExt, Term};
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{claim, claim_for, granted, lock, nobody_waits, now, number, release, renewal, run, storage};

/// R13: a refused claim neither writes nor locks, whoever holds the row's lock. Nor does what only looks.
#[test]
fn a_refused_claim_writes_nothing() {
    const WRITTEN: &str = "SELECT CAST(SUM(variable_value) AS SIGNED) FROM information_schema.global_status
        WHERE variable_name IN ('INNODB_OS_LOG_WRITTEN', 'BINLOG_BYTES_WRITTEN', 'HANDLER_WRITE', 'HANDLER_UPDATE')";
    // Without the statistics that it gathers by itself ten seconds after a table has changed.
    let settings = ["--log-bin=bin", "--server-id=1", "--innodb-stats-auto-recalc=OFF"];
    let server = Server::start_with(&settings, None);
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("k", 1)).await);
        let refused = claim("k", 2);
        // Until the server has cleaned up behind what was written.
        let mut before = (number(&pool, WRITTEN).await, 0);
        while before.1 < 20 {
            smol::Timer::after(Duration::from_millis(50)).await;
            let written = number(&pool, WRITTEN).await;
            before = (written, if written == before.0 { before.1 + 1 } else { 0 });
        }
        for _ in 0..500 {
            let held = storage.acquire(refused.clone()).await.unwrap();
            assert!(matches!(held, Acquired::Refused { lease: Some(_), .. }));
            let _ = storage.renew(renewal(&refused, Term::FIRST)).await.unwrap();
            storage.release(release(&refused)).await.unwrap();
            let _ = storage.get(&refused.key).await.unwrap();
            let _ = storage.list(List::new()).await.unwrap();
            let _ = storage.revoke(&claim("nobody's", 1).key).await.unwrap();
        }
        assert_eq!(number(&pool, WRITTEN).await - before.0, 0);
        run(&pool, "UPDATE lessor_leases SET version = version + 1").await;
        assert!(number(&pool, WRITTEN).await > before.0, "what is counted counts");

        let other = lock(&pool).await;
        let began = now();
        assert!(matches!(storage.acquire(refused).await.unwrap(), Acquired::Refused { .. }));
        assert_eq!(storage.list(List::new()).await.unwrap().entries.len(), 1);
        nobody_waits(&pool).await;
        for _ in 0..2 {
            let mine = storage.acquire(claim_for(Duration::from_secs(2), "k", 1)).await.unwrap_err();
            assert_eq!(mine.kind(), ErrorKind::Transient);
        }
        let waited = now() - began;
        assert!(waited >= Duration::from_millis(400) && waited < Duration::from_secs(20), "{waited:?}");
        other.rollback().await.unwrap();
        assert_eq!(granted(storage.acquire(claim("k", 1)).await), Term::FIRST);
    });
}
