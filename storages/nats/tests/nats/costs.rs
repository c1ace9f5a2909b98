//! What an operation costs the server, by its own counts.

use futures::{FutureExt, StreamExt};
use lessor::storage::Acquired;
use lessor::{Storage, StorageExt};
use smol::block_on;

use crate::{MINUTE, claim, extended, granted, key, release, renewal, server, storage, woken};

#[test]
fn one_request_each() {
    let server = server();
    let (leader, follower) = (storage(&server), storage(&server));
    block_on(async {
        leader.check().await.unwrap();
        let mut messages = server.messages();
        let claimed = claim("k", 1);
        let term = granted(leader.acquire(claimed.clone()).await);
        messages.are(2, "a look at a key that was never seen, and the grant");
        for _ in 0..100 {
            extended(leader.renew(renewal(&claimed, term)).await);
        }
        messages.are(100, "a renewal is one message");
        for _ in 0..100 {
            let refused = follower.acquire(claim("k", 2)).await.unwrap();
            assert!(matches!(refused, Acquired::Refused { .. }));
        }
        messages.are(100, "a poll is one request");
        leader.release(release(&claimed)).await.unwrap();
        messages.are(1, "a release");
        // However many keys there are, and however often each was written.
        assert_eq!(server.kept(), 1);
    });
}

/// Who is told of each write need not look.
#[test]
fn a_watched_poll_is_free() {
    let server = server();
    let (leader, follower) = (storage(&server), storage(&server));
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(leader.acquire(claimed.clone()).await);
        let mut wakeups = follower.subscribe(&key("k"));
        assert!(wakeups.is_complete());
        woken(&mut wakeups).await;
        let mut messages = server.messages();
        for _ in 0..100 {
            extended(leader.renew(renewal(&claimed, term)).await);
            let looks = claim("k", 2).after(Some(term)).max_age(MINUTE);
            assert!(matches!(follower.acquire(looks).await.unwrap(), Acquired::Refused { .. }));
            assert_eq!(wakeups.next().now_or_never(), None, "a renewal wakes nobody");
        }
        messages.are(100, "the renewals alone");
    });
}

/// A refused claim, a look and a check write nothing.
#[test]
fn what_is_refused_writes_nothing() {
    let server = server();
    let storage = storage(&server);
    crate::in_tokio(async {
        let written = async || {
            let context = crate::stranger(&server).await;
            context.get_stream("KV_lessor").await.unwrap().cached_info().state.last_sequence
        };
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        let before = written().await;
        assert!(before > 0);
        for _ in 0..10 {
            let refused = claim("k", 2).after(Some(term));
            assert!(matches!(storage.acquire(refused).await.unwrap(), Acquired::Refused { .. }));
            assert!(storage.get(&claimed.key).await.unwrap().is_some());
            storage.release(release(&claim("k", 2))).await.unwrap();
            storage.check().await.unwrap();
        }
        assert_eq!(written().await, before);
    });
}
