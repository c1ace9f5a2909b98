//! Rows that somebody deleted, with the programs of NATS.

use lessor::storage::List;
use lessor::{Storage, StorageExt, Term};
use lessor_nats::async_nats::jetstream::kv::Store;
use lessor_servers::nats::Server;

use crate::{claim, extended, granted, in_tokio, key, renewal, server, storage, stranger, woken};

async fn bucket(server: &Server) -> Store {
    stranger(server).await.get_key_value("lessor").await.unwrap()
}

/// A key that was deleted is one that was never written, and its terms begin again: the mark that is left does not block it.
#[test]
fn a_deleted_key_is_free() {
    let server = server();
    in_tokio(async {
        let (bucket, old, new) = (bucket(&server).await, storage(&server), storage(&server));
        for purged in [false, true] {
            let claimed = claim("k", 1);
            let term = granted(old.acquire(claimed.clone()).await);
            if purged {
                bucket.purge("k").await.unwrap();
            } else {
                bucket.delete("k").await.unwrap();
            }
            assert_eq!(new.get(&key("k")).await.unwrap(), None);
            assert!(new.list(List::new()).await.unwrap().entries.is_empty());
            let renewed = old.renew(renewal(&claimed, term)).await.unwrap();
            assert!(matches!(renewed, lessor::storage::Renewed::Lost { lease: None, .. }), "{renewed:?}");
            assert_eq!(granted(new.acquire(claim("k", 2)).await), Term::FIRST);
            extended(new.renew(renewal(&claim("k", 2), Term::FIRST)).await);
            new.release(crate::release(&claim("k", 2))).await.unwrap();
            bucket.purge("k").await.unwrap();
        }
    });
}

/// Followers are told of it.
#[test]
fn who_follows_is_woken() {
    let server = server();
    in_tokio(async {
        let (bucket, leader, follower) = (bucket(&server).await, storage(&server), storage(&server));
        let _ = granted(leader.acquire(claim("k", 1)).await);
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        bucket.delete("k").await.unwrap();
        woken(&mut wakeups).await;
        assert_eq!(granted(follower.acquire(claim("k", 2)).await), Term::FIRST);
    });
}

/// The whole bucket is made anew: what this process wrote before is not waited for.
#[test]
fn a_bucket_that_was_made_anew() {
    let server = server();
    in_tokio(async {
        let storage = storage(&server);
        for number in 0..5 {
            let _ = granted(storage.acquire(claim(&number.to_string(), 1)).await);
        }
        stranger(&server).await.delete_key_value("lessor").await.unwrap();
        let error = storage.get(&key("4")).await.unwrap_err();
        assert!(error.to_string().contains("call migrate() once to create it"), "{error}");
        storage.migrate().await.unwrap();
        // Keys that it never saw are nothing new.
        assert_eq!(granted(storage.acquire(claim("other", 1)).await), Term::FIRST);
        let error = storage.get(&key("4")).await.unwrap_err();
        assert!(error.to_string().contains("before this process wrote"), "{error}");
    });
}
