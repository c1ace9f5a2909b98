//! One connection that wakes all followers.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lessor::{Storage, StorageExt};
use lessor_servers::redis::{Keeps, Server};
use smol::block_on;

use crate::{claim, extended, granted, key, now, renewal, storage, woken};

/// R13: one connection listens for all keys, comes back by itself and then wakes everybody, and ends with the storage.
#[test]
fn wakeups_come_back() {
    let server = Server::start(Keeps::Everything);
    let listeners = || server.ask::<(String, i64)>(&["PUBSUB", "NUMSUB", "lessor"]).1;
    block_on(async {
        let storage = storage(&server).await;
        // Its check has tried whether it can listen.
        wait_for(listeners, 0).await;
        let keys: Vec<_> = (0..20).map(|number| key(&number.to_string())).collect();
        let mut all: Vec<_> = keys.iter().map(|key| storage.subscribe(key)).collect();
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        wait_for(listeners, 1).await;
        server.tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        wait_for(listeners, 1).await;

        server.crash();
        for wakeups in &mut all {
            woken(wakeups).await;
        }

        // Another process is told by the server alone, and of its key alone.
        let other = crate::storage(&server).await;
        let term = granted(other.acquire(claim("7", 1)).await);
        woken(&mut all[7]).await;
        extended(other.renew(renewal(&claim("7", 1), term)).await);
        assert_eq!(granted(other.acquire(claim("7", 1)).await), term, "repeated");
        // The one after it is heard of: nothing came before.
        let _ = granted(other.acquire(claim("8", 1)).await);
        woken(&mut all[8]).await;
        for wakeups in &mut all {
            assert!(wakeups.next().now_or_never().is_none());
        }

        drop(storage);
        wait_for(listeners, 0).await;
    });
}

/// Waits until the server counts so many listeners: it notices later than they that they are gone.
async fn wait_for(listeners: impl Fn() -> i64, count: i64) {
    let began = now();
    while listeners() != count {
        assert!(now() - began < Duration::from_secs(10), "{} listen, not {count}", listeners());
        smol::Timer::after(Duration::from_millis(10)).await;
    }
}
