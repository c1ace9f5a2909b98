//! An operator takes the lease from its holder.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lessor::storage::{Acquired, Renewed, Revoke, Takeover, Version};
use lessor::{Storage, StorageExt, Term};
use lessor_redis::RedisStorage;
use lessor_redis::redis::Client;
use lessor_servers::asking::at_once;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::redis::{Keeps, PASSWORD, Server};
use smol::block_on;

use crate::{claim, extended, granted, key, lasting, lease, release, renewal, storage, woken};

/// The key is free at once, in a term beyond the holder's; the answer shows what was there.
#[test]
fn a_live_lease() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let first = claim("k", 1);
        let term = granted(storage.acquire(first.clone()).await);
        let held = lease(&storage, &first.key).await;
        let mut wakeups = storage.subscribe(&first.key);
        woken(&mut wakeups).await;

        let before = storage.revoke(at_once(&first.key)).await.unwrap().expect("it was held");
        assert_eq!((&before.id, before.term, before.version), (&held.id, term, held.version));
        assert!(before.time_left <= held.time_left && !before.time_left.is_zero() && before.age >= held.age);
        woken(&mut wakeups).await;
        let free = lease(&storage, &first.key).await;
        assert_eq!((free.id, free.term, free.age), (None, Term::new(term.get() + 1).unwrap(), None));
        assert_eq!(free.version, Version::new(held.version.get() + 1));

        // The holder is told, and what it knew does not do any more.
        let renewed = storage.renew(renewal(&first, term)).await.unwrap();
        assert!(matches!(renewed, Renewed::Lost { lease: Some(_), .. }));
        let outdated = storage.acquire(first.clone().after(Some(term))).await.unwrap();
        assert!(matches!(outdated, Acquired::Refused { retry_after: Duration::ZERO, .. }), "{outdated:?}");
        let next = claim("k", 2).after(Some(free.term)).takeover(Takeover::ReleasedOnly);
        assert!(granted(storage.acquire(next).await) > free.term);

        // A late release of the old session ends nothing.
        storage.release(release(&first)).await.unwrap();
        assert!(lease(&storage, &first.key).await.is_live());
    });
}

/// An expired lease counts as held until somebody takes it over: that is what a revoke spares the next one.
#[test]
fn an_expired_lease() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let ttl = Duration::from_millis(20);
        let term = granted(storage.acquire(lasting(ttl, claim("k", 1))).await);
        smol::Timer::after(ttl * 2).await;
        let before = storage.revoke(at_once(&key("k"))).await.unwrap().expect("nobody took it over");
        assert!(before.id.is_some() && before.time_left.is_zero());
        let next = claim("k", 2).after(Some(Term::new(term.get() + 1).unwrap())).takeover(Takeover::ReleasedOnly);
        granted(storage.acquire(next).await);
    });
}

/// Where nobody holds the key nothing is done, and nobody is woken.
#[test]
fn nothing_to_revoke() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let (new, released) = (key("new"), claim("released", 1));
        granted(storage.acquire(released.clone()).await);
        storage.release(release(&released)).await.unwrap();
        let mut wakeups = storage.subscribe(&released.key);
        woken(&mut wakeups).await;
        let seen = lease(&storage, &released.key).await;
        for _ in 0..2 {
            assert_eq!(storage.revoke(at_once(&new)).await.unwrap(), None);
            assert_eq!(storage.revoke(at_once(&released.key)).await.unwrap(), None);
        }
        assert_eq!(storage.get(&new).await.unwrap(), None, "it creates nothing");
        assert_eq!(lease(&storage, &released.key).await, seen);
        // The grant after them is heard of: nothing came before.
        let mut other = storage.subscribe(&new);
        granted(storage.acquire(claim("new", 1)).await);
        woken(&mut other).await;
        assert!(wakeups.next().now_or_never().is_none());
    });
}

/// After a loss nobody holds anything, and a revoke neither begins a freeze nor ends one.
#[test]
fn after_a_loss() {
    let server = Server::start(Keeps::Everything);
    block_on(async {
        let max_ttl = Duration::from_secs(60);
        let storage = RedisStorage::builder().max_ttl(max_ttl).unwrap().build(server.client());
        storage.initialise().await.unwrap();
        let first = claim("k", 1);
        let term = granted(storage.acquire(first.clone()).await);
        extended(storage.renew(renewal(&first, term)).await);
        server.crash();

        let written = || server.info("rdb_changes_since_last_save");
        let before = written();
        assert_eq!(storage.revoke(at_once(&first.key)).await.unwrap(), None, "nobody has noticed yet");
        assert_eq!(written(), before);
        let frozen = |acquired: Acquired| match acquired {
            Acquired::Refused { lease: None, retry_after, .. } => retry_after,
            other => panic!("{other:?}"),
        };
        let left = frozen(storage.acquire(first.clone()).await.unwrap());
        let before = written();
        assert_eq!(storage.revoke(at_once(&first.key)).await.unwrap(), None, "frozen");
        assert_eq!(written(), before);
        assert!(frozen(storage.acquire(first.clone()).await.unwrap()) <= left);
        assert_eq!(lease(&storage, &first.key).await.term, term);
    });
}

/// After the last term there is no later one: the key is free in it, and nothing is granted any more.
#[test]
fn the_last_term() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let last = Term::new((1 << 53) - 1).unwrap();
        let claim = claim("k", 1).after(Term::new(last.get() - 1));
        assert_eq!(granted(storage.acquire(claim.clone()).await), last);
        assert!(storage.revoke(at_once(&claim.key)).await.unwrap().is_some());
        let free = lease(&storage, &claim.key).await;
        assert_eq!((free.id, free.term), (None, last));
        assert!(matches!(storage.acquire(claim.after(Some(last))).await.unwrap(), Acquired::Refused { .. }));
    });
}

/// One that names no term is sent once: a second one might take the lease of whoever was granted the key in between.
#[test]
fn it_is_not_repeated() {
    let server = Server::start(Keeps::Nothing);
    let proxy = Proxy::to(server.port());
    block_on(async {
        let direct = storage(&server).await;
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/", proxy.port());
        let storage = RedisStorage::new(Client::open(url).unwrap());
        let held = claim("k", 1);
        let term = granted(storage.acquire(held.clone()).await);
        // The server knows its script from now on.
        direct.revoke(at_once(&key("other"))).await.unwrap();
        let before = crate::calls(&server);
        proxy.set(Mode::ResetAfterRequest(vec![b"k".to_vec()]));
        let error = storage.revoke(at_once(&held.key)).await.unwrap_err();
        assert!(error.to_string().contains("whether the revoke was done is not known"), "{error}");
        assert_eq!(crate::calls(&server) - before, 1);
        proxy.set(Mode::Pass);
        assert_eq!(lease(&direct, &held.key).await.id, None, "it was done");

        // One that names the term takes no other's.
        let revoke = Revoke::from(&held.key).now(true).term(Some(term));
        proxy.reset_open();
        assert_eq!(storage.revoke(revoke).await.unwrap(), None, "it is over");
    });
}
