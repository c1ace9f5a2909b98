//! `EtcdStorage` keeps the contract of a storage: on one server of each release, and with handles on the members of a cluster.

use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::{StorageError, StorageExt, SystemTimer, async_trait};
use lessor_etcd::EtcdStorage;
use lessor_servers::etcd::{Cluster, Release, Server};
use lessor_servers::hand_over::hand_over;

struct Etcd {
    endpoints: Vec<String>,
    restart: Box<dyn Fn() + Send + Sync>,
}

impl Etcd {
    fn on(server: Server) -> Self {
        let endpoints = vec![server.endpoint()];
        Self { endpoints, restart: Box::new(move || server.crash()) }
    }

    /// All members crash at once.
    fn on_each_of(cluster: Cluster) -> Self {
        let endpoints = cluster.endpoints();
        Self { endpoints, restart: Box::new(move || cluster.crash()) }
    }
}

#[async_trait]
impl Harness for Etcd {
    type Storage = EtcdStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<EtcdStorage, StorageError> {
        Ok(EtcdStorage::new(self.endpoints.clone())?)
    }

    async fn member(&self, number: usize) -> Result<EtcdStorage, StorageError> {
        Ok(EtcdStorage::new([self.endpoints[number % self.endpoints.len()].clone()])?)
    }

    async fn unreachable(&self) -> Result<Option<EtcdStorage>, StorageError> {
        Ok(Some(EtcdStorage::new([format!("http://127.0.0.1:{}", lessor_servers::free_port())])?))
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(500)
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        (self.restart)();
        Ok(Power::Used)
    }
}

/// What no store without a clock has, nor one that loses nothing. A reply that is lost is a matter of the network's; and what
/// lies between a reading and its write is tried where a test can delay it, with the registers of the core.
const NEVER: [&str; 5] = ["age_", "broken_reply_", "clock_back_", "data_loss_", "lingering_"];

fn keeps_the_contract(harness: &Etcd) -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(harness));
    let names = report.not_available().iter().map(|left_out| left_out.case);
    let others: Vec<_> = names.filter(|case| !NEVER.iter().any(|begins| case.starts_with(begins))).collect();
    assert_eq!(others, [""; 0], "{report}");
    report.into_result()
}

#[test]
fn one_server_of_3_4() -> Result<(), Failures> {
    keeps_the_contract(&Etcd::on(Server::of(Release::V3_4)))
}

#[test]
fn one_server_of_3_5() -> Result<(), Failures> {
    keeps_the_contract(&Etcd::on(Server::of(Release::V3_5)))
}

#[test]
fn three_members_of_3_4() -> Result<(), Failures> {
    keeps_the_contract(&Etcd::on_each_of(Cluster::start(Release::V3_4)))
}

#[test]
fn three_members_of_3_5() -> Result<(), Failures> {
    keeps_the_contract(&Etcd::on_each_of(Cluster::start(Release::V3_5)))
}

#[test]
fn every_executor() {
    let server = Server::start();
    let election = || hand_over(EtcdStorage::new([server.endpoint()]).unwrap());
    smol::block_on(election());
    async_std::task::block_on(election());
    block_on(election());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(election());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(election());
}

/// A connection is no runtime's of the program: it outlives each of them.
#[test]
fn from_runtime_to_runtime() {
    let server = Server::start();
    let storage = EtcdStorage::new([server.endpoint()]).unwrap();
    let key = lessor::Key::new("k").unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(storage.get(&key)).unwrap();
        drop(runtime);
        block_on(storage.get(&key)).unwrap();
    }
}
