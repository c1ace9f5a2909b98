//! Elections on a real server, by whatever executor, and while the server is killed.

use std::sync::Arc;
use std::time::Duration;

use lessor::{Builder, Storage};
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::memory::InMemory;
use lessor_servers::elections::{Elections, now};
use lessor_servers::hand_over::hand_over;
use lessor_servers::seaweed::Server;

use crate::support::store;

#[test]
fn every_executor() {
    let election = || hand_over(ObjectStorage::new(Arc::new(InMemory::new())));
    smol::block_on(election());
    async_std::task::block_on(election());
    futures::executor::block_on(election());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(election());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(election());
}

/// With a server, connections are tasks of some runtime.
#[test]
fn from_runtime_to_runtime() {
    let server = Server::start();
    let storage = ObjectStorage::new(store(server.port(), "leases"));
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(storage.check()).unwrap();
        drop(runtime);
        futures::executor::block_on(storage.check()).unwrap();
        smol::block_on(storage.check()).unwrap();
    }
}

#[test]
fn a_server_is_killed() {
    let server = Server::start();
    let storage = || -> Arc<dyn Storage> { Arc::new(ObjectStorage::new(store(server.port(), "leases"))) };
    let short = |builder: Builder| builder.ttl(Duration::from_secs(3));
    let elections = Elections::start(&["first", "second"], vec![storage(), storage(), storage()], short);
    let (_, term) = elections.leader();
    for _ in 0..2 {
        server.crash();
        elections.all_led_after(now(), Duration::ZERO);
    }
    assert!(elections.leader().1 >= term);
    elections.finish();
}
