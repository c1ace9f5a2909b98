//! Pages of leases, beside what others keep in the same cluster.

use lessor::StorageExt;
use lessor::storage::List;
use lessor_etcd::EtcdStorage;
use lessor_servers::etcd::Server;
use smol::block_on;

use crate::{claim, claims, granted, key, requests, storage};

#[test]
fn pages() {
    let server = Server::start();
    let storage = storage(&server);
    block_on(async {
        assert!(lessor::Storage::call_all(&storage, requests(claims(250, 1))).await.iter().all(Result::is_ok));
        // Not this storage's, by their names or by where they stand.
        for other in ["lesso", "lessor", "lessor0", "lessor/", "lessor/1\n", "lessor/1\n2", "z"] {
            server.ctl(&["put", other, "of another program"]);
        }
        let elsewhere = EtcdStorage::builder().prefix("other/").unwrap().build([server.endpoint()]).unwrap();
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

/// 1,000 leases with long values are more than a message of a client usually may be.
#[test]
fn a_large_page() {
    let server = Server::start();
    let storage = storage(&server);
    block_on(async {
        let value = lessor::Value::new("v".repeat(4096)).unwrap();
        let long = claims(1_000, 1).into_iter().map(|claim| claim.value(Some(value.clone())));
        assert!(lessor::Storage::call_all(&storage, requests(long)).await.iter().all(Result::is_ok));
        assert_eq!(storage.list(List::new().limit(1_000)).await.unwrap().entries.len(), 1_000);
    });
}
