//! Servers between the storage and the JetStream that has its bucket.

use std::sync::Arc;

use lessor::{Storage, StorageExt};
use lessor_nats::NatsStorage;
use lessor_servers::free_port;
use lessor_servers::nats::Server;
use smol::block_on;

use crate::{claim, extended, granted, key, release, renewal, soon, woken};

/// A leaf node, with a JetStream of its own in another domain.
#[test]
fn behind_a_leaf_node() {
    let port = free_port();
    let hub = Server::with(&format!("jetstream {{ domain: hub }}\nleafnodes {{ listen: 127.0.0.1:{port} }}"));
    let leaf = Server::with(&format!(
        "server_name: leaf\njetstream {{ domain: leaf }}\nleafnodes {{ remotes: [ {{ url: \"nats-leaf://127.0.0.1:{port}\" }} ] }}"
    ));
    let there = NatsStorage::new([hub.address()]).unwrap();
    let behind = Arc::new(NatsStorage::builder().domain("hub").unwrap().build([leaf.address()]).unwrap());
    block_on(async {
        // The leaf connects by itself.
        let connected = async { while behind.migrate().await.is_err() {} };
        soon(connected).await.expect("the bucket is created through the leaf");
        behind.check().await.unwrap();
        let mut wakeups = behind.subscribe(&key("k"));
        woken(&mut wakeups).await;
        let claimed = claim("k", 1);
        let term = granted(behind.acquire(claimed.clone()).await);
        woken(&mut wakeups).await;
        extended(behind.renew(renewal(&claimed, term)).await);
        assert_eq!(there.get(&key("k")).await.unwrap().unwrap().term, term, "it is the hub's");
        there.release(release(&claimed)).await.unwrap();
        woken(&mut wakeups).await;
        let _ = granted(behind.acquire(claim("k", 2).after(Some(term))).await);
        let own = NatsStorage::new([leaf.address()]).unwrap();
        assert!(own.get(&key("k")).await.is_err(), "the leaf has no bucket of its own");
    });
    assert_eq!((hub.kept(), leaf.kept()), (1, 0));
    drop(behind);
    block_on(async {
        let gone = async {
            while hub.consumers() > 0 {
                smol::Timer::after(std::time::Duration::from_millis(10)).await;
            }
        };
        soon(gone).await.expect("the consumer is given back");
    });
}
