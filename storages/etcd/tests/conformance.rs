//! `EtcdStorage` keeps the contract of a storage: on one server of each release, and with handles on the members of a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
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
    handles: AtomicUsize,
}

impl Etcd {
    fn on(server: Server) -> Self {
        let endpoints = vec![server.endpoint()];
        Self { endpoints, restart: Box::new(move || server.crash()), handles: AtomicUsize::new(0) }
    }

    /// All members crash at once.
    fn on_each_of(cluster: Cluster) -> Self {
        let endpoints = cluster.endpoints();
        Self { endpoints, restart: Box::new(move || cluster.crash()), handles: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Harness for Etcd {
    type Storage = EtcdStorage;
    type Timer = SystemTimer;

    /// Each handle is on another member.
    async fn storage(&self) -> Result<EtcdStorage, StorageError> {
        let handle = self.handles.fetch_add(1, Ordering::SeqCst);
        Ok(EtcdStorage::new([self.endpoints[handle % self.endpoints.len()].clone()])?)
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

/// What no store without a clock, and without a loss of data, has. And a reply that is lost is a matter of the network's.
const NEVER: [&str; 10] = [
    "age_counts_from_the_grant",
    "age_goes_on_with_the_term",
    "age_begins_anew_with_each_term",
    "age_is_shown_always_or_never",
    "broken_reply_is_healed_by_asking_again",
    "clock_back_lease_lasts_no_longer_than_ttl",
    "clock_back_dead_leader_is_replaced",
    "clock_back_reservation_ends",
    "data_loss_terms_still_grow",
    "data_loss_freezes",
];

fn keeps_the_contract(harness: &Etcd) -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(harness));
    println!("{report}");
    assert_eq!(report.not_available(), NEVER);
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
