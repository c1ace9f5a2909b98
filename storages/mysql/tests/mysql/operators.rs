//! What operators ask for: lists and revocations.

use std::time::Duration;

use futures::future::{join, join_all};
use lessor::storage::{List, Renewed};
use lessor::{Key, Storage, StorageExt, Term};
use lessor_mysql::MySqlStorage;
use lessor_servers::asking::at_once;
use lessor_servers::mysql::{Server, pool};
use smol::block_on;

use crate::support::{HOUR, claim, granted, granted_reply, key, lock, now, renewal, requests, run, storage, unlock};

/// All keys, page by page.
async fn pages(storage: &MySqlStorage, list: List) -> Vec<String> {
    let (mut list, mut keys) = (list, Vec::new());
    loop {
        let page = storage.list(list.clone()).await.unwrap();
        assert!(page.entries.len() <= list.page_size());
        keys.extend(page.entries.iter().map(|entry| entry.key.as_str().to_string()));
        match page.next {
            Some(next) => list = list.start(Some(next)),
            None => return keys,
        }
    }
}

/// In the order of the bytes; a prefix is bytes, and no pattern.
#[test]
fn lists() {
    const NAMES: [&str; 11] = ["%", "A", "_", "a", "a ", "a%", "a_b", "ab", "b", "é", "\u{10ffff}"];
    let server = Server::start_with(&["--character-set-server=latin1"], None);
    block_on(async {
        let (storage, _) = storage(&server).await;
        assert_eq!(pages(&storage, List::new()).await, [""; 0]);
        for acquired in storage.call_all(requests(NAMES.iter().rev().map(|name| claim(name, 1)))).await {
            let _ = granted_reply(acquired);
        }
        for limit in [1, 2, 5, 11, 100] {
            assert_eq!(pages(&storage, List::new().limit(limit)).await, NAMES, "{limit}");
        }
        let beginning = async |prefix: &str| pages(&storage, List::new().prefix(prefix).limit(2)).await;
        assert_eq!(beginning("a").await, ["a", "a ", "a%", "a_b", "ab"]);
        assert_eq!(beginning("a%").await, ["a%"]);
        assert_eq!(beginning("a_").await, ["a_b"]);
        assert_eq!(beginning("%").await, ["%"]);
        assert_eq!(beginning("\u{10ffff}").await, ["\u{10ffff}"]);
        assert_eq!(beginning("nothing").await, [""; 0]);
        assert_eq!(beginning(&"x".repeat(10_000)).await, [""; 0]);
        assert_eq!(pages(&storage, List::new().prefix("a").start(Some(key("a%a")))).await, ["a_b", "ab"]);
        assert_eq!(pages(&storage, List::new().prefix("a").start(Some(key("A")))).await.len(), 5);
        assert_eq!(pages(&storage, List::new().prefix("a").start(Some(key("b")))).await, [""; 0]);
    });
}

/// What a page shows is what a look shows.
#[test]
fn a_page_shows_the_leases() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("a", 1)).await);
        run(&pool, "UPDATE lessor_leases SET since = since - 60000, value = 'v'").await;
        let page = storage.list(List::new()).await.unwrap();
        let lease = &page.entries[0].lease;
        assert_eq!((&lease.id, lease.term), (&Some(claim("a", 1).id), Term::FIRST));
        assert_eq!(lease.value.as_ref().map(|value| value.as_str()), Some("v"));
        assert!(lease.is_live() && lease.age.is_some_and(|age| age >= Duration::from_secs(60)), "{lease:?}");
    });
}

/// A revocation answers what was there, and the term after it is nobody's: also where the leader renews all the time.
#[test]
fn revoked_while_it_is_renewed() {
    let server = Server::start();
    block_on(async {
        let (storage, _) = storage(&server).await;
        let mut terms = Vec::new();
        for round in 0..50_u128 {
            let mine = claim("k", 1 + round).after(terms.last().copied());
            let led = granted(storage.acquire(mine.clone()).await);
            let renew = async {
                // Far more often than a leader does, on a connection of its own.
                let storage = MySqlStorage::new(pool(server.options(), 1));
                let mut version = None;
                while let Renewed::Extended { version: newer, .. } = storage.renew(renewal(&mine, led)).await.unwrap() {
                    assert!(Some(newer) > version);
                    version = Some(newer);
                    smol::Timer::after(Duration::from_millis(5)).await;
                }
                version
            };
            let revoke = async {
                smol::Timer::after(Duration::from_millis(10)).await;
                storage.revoke(at_once(&mine.key)).await.unwrap().unwrap()
            };
            let (last, before) = join(renew, revoke).await;
            assert_eq!((before.id, before.term), (Some(mine.id), led));
            assert!(last.is_none_or(|last| last == before.version), "nothing is renewed after it: {last:?}");
            let lease = storage.get(&mine.key).await.unwrap().unwrap();
            assert_eq!((lease.id, Some(lease.term), lease.version), (None, led.next(), before.version.next()));
            terms.push(lease.term);
        }
    });
}

/// Of many at once one takes the lease from its holder.
#[test]
fn many_revocations() {
    let server = Server::start();
    block_on(async {
        let (storage, _) = storage(&server).await;
        let led = granted(storage.acquire(claim("k", 1)).await);
        let key: Key = key("k");
        let all = join_all((0..8).map(|_| storage.revoke(at_once(&key)))).await;
        let taken: Vec<_> = all.into_iter().filter_map(|revoked| revoked.unwrap()).collect();
        assert_eq!(taken.len(), 1);
        assert_eq!(storage.get(&key).await.unwrap().map(|lease| lease.term), led.next());
    });
}

/// A revocation waits for whoever holds the row's lock, as everything does that writes.
#[test]
fn a_revocation_waits_for_a_lock() {
    const WAIT: Duration = Duration::from_millis(300);
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::builder().lock_timeout(HOUR).build(&pool);
        let _ = granted(storage.acquire(claim("k", 1)).await);
        let other = lock(&pool).await;
        let began = now();
        let key = key("k");
        let revoke = at_once(&key).patience(HOUR);
        let (revoked, _) = join(storage.revoke(revoke), unlock(other, WAIT)).await;
        assert!(revoked.unwrap().is_some());
        assert!(now() - began >= WAIT);
    });
}
