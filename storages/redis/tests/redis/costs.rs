//! What an operation costs the server.

use lessor::storage::{Acquired, Renewed};
use lessor::{StorageExt, Term};
use lessor_servers::asking::at_once;
use lessor_servers::redis::{Keeps, Server};
use smol::block_on;

use crate::{MINUTE, calls, claim, extended, granted, lease, release, renewal, storage};

/// R13: a refused claim neither writes to memory nor to the log, and each operation is one call of a script.
#[test]
fn a_refused_claim_writes_nothing() {
    const WRITTEN: [&str; 2] = ["rdb_changes_since_last_save", "aof_current_size"];
    let server = Server::start(Keeps::Everything);
    block_on(async {
        let storage = storage(&server).await;
        let written = || WRITTEN.map(|field| server.info(field));
        let before = written();
        let _ = granted(storage.acquire(claim("k", 1)).await);
        assert!(written() != before, "{before:?}");
        let refused = claim("k", 2);
        // Each script is sent once.
        let ask = async || {
            assert!(matches!(
                storage.acquire(refused.clone()).await.unwrap(),
                Acquired::Refused { lease: Some(_), .. }
            ));
            let renewed = storage.renew(renewal(&refused, Term::FIRST)).await.unwrap();
            assert!(matches!(renewed, Renewed::Lost { lease: Some(_), .. }));
            storage.release(release(&refused)).await.unwrap();
            assert!(storage.get(&refused.key).await.unwrap().is_some());
        };
        ask().await;
        let (before, calls_before, evals) = (written(), calls(&server), server.info("cmdstat_eval"));
        for _ in 0..500 {
            ask().await;
        }
        assert_eq!(written(), before);
        assert_eq!(calls(&server) - calls_before, 2000, "one call each");
        assert_eq!(server.info("cmdstat_eval"), evals);
    });
}

/// A server that was restarted does not know the scripts.
#[test]
fn scripts_are_sent_again() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let forget = || server.tell(&["SCRIPT", "FLUSH"]);
        let claim = claim("k", 1);
        forget();
        let term = granted(storage.acquire(claim.clone()).await);
        forget();
        extended(storage.renew(renewal(&claim, term)).await);
        forget();
        assert!(lease(&storage, &claim.key).await.is_live());
        forget();
        assert!(storage.revoke(at_once(&claim.key)).await.unwrap().is_some());
        forget();
        storage.release(release(&claim)).await.unwrap();
        forget();
        storage.initialise().await.unwrap();
    });
}

/// R13: what one follower hears answers those that need not know how the key is now, and nobody else.
#[test]
fn a_refusal_is_shared() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let term = granted(storage.acquire(claim("k", 1)).await);
        let looks = |session| claim("k", session).max_age(MINUTE / 2);
        let refused = async |claim| match storage.acquire(claim).await.unwrap() {
            Acquired::Refused { lease: Some(lease), .. } => lease.time_left,
            other => panic!("{other:?}"),
        };
        // There have to be two, else there is nobody to share with.
        let _ = refused(looks(2)).await;
        let first = refused(looks(3)).await;
        let before = calls(&server);
        for session in 4..100 {
            assert!(refused(looks(session)).await <= first);
        }
        assert_eq!(calls(&server), before);
        let _ = refused(claim("k", 2)).await;
        assert_eq!(calls(&server), before + 1);
        storage.release(release(&claim("k", 1))).await.unwrap();
        let _ = granted(storage.acquire(looks(3).after(Some(term))).await);
    });
}
