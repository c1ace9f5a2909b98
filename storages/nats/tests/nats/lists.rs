//! Pages of leases, beside what others keep in the same bucket.

use std::time::Duration;

use lessor::storage::List;
use lessor::{Storage, StorageExt, Value};
use lessor_nats::{NatsStorage, async_nats};
use smol::block_on;

use crate::{claim, claims, granted, in_tokio, key, requests, server, storage, stranger};

#[test]
fn pages() {
    let server = server();
    let storage = storage(&server);
    in_tokio(async {
        assert!(storage.call_all(requests(claims(250, 1))).await.iter().all(Result::is_ok));
        // Not this storage's, by their names or by where they stand; and some that are gone.
        let bucket = stranger(&server).await.get_key_value("lessor").await.unwrap();
        for other in ["a.b", "=2e", "a/b"] {
            bucket.put(other, "of another program".into()).await.unwrap();
        }
        for gone in 250..300 {
            bucket.delete(gone.to_string()).await.unwrap();
        }
        let elsewhere = NatsStorage::builder().bucket("other").unwrap().build([server.address()]).unwrap();
        elsewhere.migrate().await.unwrap();
        let _ = granted(elsewhere.acquire(claim("elsewhere", 1)).await);
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let page = storage.list(List::new().start(next).limit(7)).await.unwrap();
            all.extend(page.entries.into_iter().map(|entry| entry.key));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let mut expected: Vec<_> = (0..250).map(|number: u32| key(&number.to_string())).collect();
        expected.sort();
        assert_eq!(all, expected);
        let page = storage.list(List::new().prefix("24")).await.unwrap();
        assert_eq!(page.entries.len(), 11);
        let page = storage.list(List::new().prefix("24").start(Some(key("248")))).await.unwrap();
        assert_eq!((page.entries.len(), page.next), (2, None));
    });
}

/// A server names 100,000 at a time.
#[test]
fn more_names_than_one_answer_has() {
    let server = server();
    let storage = storage(&server);
    in_tokio(async {
        let client = async_nats::connect(server.address()).await.unwrap();
        for number in 0..100_010 {
            client.publish(format!("$KV.lessor.of=2Fanother.{number}"), "".into()).await.unwrap();
        }
        client.flush().await.unwrap();
        let _ = granted(storage.acquire(claim("z", 1)).await);
        while server.kept() < 100_011 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let page = storage.list(List::new()).await.unwrap();
        assert_eq!(page.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>(), [key("z")]);
    });
}

/// The order is that of the keys, and not of how they are written in NATS.
#[test]
fn the_order_of_keys() {
    let server = server();
    let storage = storage(&server);
    block_on(async {
        let keys = ["a b", "a!", "a", "a/b", "a0", "é", "A", "a_b", "a=b"];
        assert!(storage.call_all(requests(keys.map(|key| claim(key, 1)))).await.iter().all(Result::is_ok));
        let page = storage.list(List::new()).await.unwrap();
        let mut expected = keys.map(key);
        expected.sort();
        assert_eq!(page.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>(), expected);
    });
}

/// 1,000 leases with long values.
#[test]
fn a_large_page() {
    let server = server();
    let storage = storage(&server);
    block_on(async {
        let value = Value::new("v".repeat(4096)).unwrap();
        let long = claims(1_000, 1).into_iter().map(|claim| claim.value(Some(value.clone())));
        assert!(storage.call_all(requests(long)).await.iter().all(Result::is_ok));
        assert_eq!(storage.list(List::new().limit(1_000)).await.unwrap().entries.len(), 1_000);
    });
}
