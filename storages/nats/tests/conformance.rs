//! `NatsStorage` keeps the contract of a storage: on one server, and with handles on the members of a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, StorageExt, SystemTimer, Timer, Wakeups, async_trait};
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::hand_over::hand_over;
use lessor_servers::nats::{Cluster, Server};
use lessor_servers::proxy::{Mode, Proxy};

/// Handles on a cluster ask again, on one server they do not.
///
/// While the servers choose which of them takes what is written to the bucket nothing is taken, and where they are starved of a
/// processor they choose often. A candidate asks again, and so does this.
#[derive(Clone)]
struct Patient {
    storage: NatsStorage,
    tries: usize,
}

impl Patient {
    const PAUSE: Duration = Duration::from_millis(50);

    fn is_refused_for_now<A>(answer: &Result<A, StorageError>) -> bool {
        let error = answer.as_ref().err().and_then(AdapterError::of);
        matches!(error, Some(AdapterError::Refused { code, .. }) if code == "503")
    }
}

#[async_trait]
impl Storage for Patient {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        for _ in 0..self.tries {
            let answer = self.storage.call(request.clone()).await;
            if !Self::is_refused_for_now(&answer) {
                return answer;
            }
            SystemTimer::new().sleep(Self::PAUSE).await;
        }
        self.storage.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let mut answers = self.storage.call_all(requests.clone()).await;
        for (request, answer) in requests.into_iter().zip(&mut answers) {
            if Self::is_refused_for_now(answer) {
                *answer = self.call(request).await;
            }
        }
        answers
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.storage.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.storage.check().await
    }
}

struct Nats {
    addresses: Vec<String>,
    restart: Box<dyn Fn() + Send + Sync>,
    handles: AtomicUsize,
    /// Of the first one.
    port: u16,
}

impl Nats {
    fn on(server: Server) -> Self {
        let (addresses, port) = (vec![server.address()], server.port());
        migrate(&addresses, 1).unwrap();
        Self::with(addresses, port, Box::new(move || server.crash()))
    }

    /// All members crash at once.
    fn on_each_of(cluster: Cluster) -> Self {
        let (addresses, port) = (cluster.addresses(), cluster.members()[0].port());
        cluster.place(|| migrate(&addresses, 3));
        Self::with(addresses, port, Box::new(move || cluster.crash()))
    }

    fn with(addresses: Vec<String>, port: u16, restart: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { addresses, restart, handles: AtomicUsize::new(0), port }
    }
}

fn migrate(addresses: &[String], replicas: usize) -> Result<(), StorageError> {
    let builder = NatsStorage::builder().replicas(replicas).unwrap();
    block_on(builder.build(addresses.to_vec()).unwrap().migrate())
}

#[async_trait]
impl Harness for Nats {
    type Storage = Patient;
    type Timer = SystemTimer;

    /// Each handle is on another member.
    async fn storage(&self) -> Result<Patient, StorageError> {
        let handle = self.handles.fetch_add(1, Ordering::SeqCst);
        let storage = NatsStorage::new([self.addresses[handle % self.addresses.len()].clone()])?;
        Ok(Patient { storage, tries: if self.addresses.len() > 1 { 200 } else { 0 } })
    }

    fn concurrency(&self) -> usize {
        16
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

    async fn unreachable(&self) -> Result<Option<Patient>, StorageError> {
        let proxy = Proxy::to(self.port);
        let storage = NatsStorage::new([format!("127.0.0.1:{}", proxy.port())])?;
        storage.check().await?;
        proxy.set(Mode::Cut);
        Ok(Some(Patient { storage, tries: 0 }))
    }
}

/// What no store without a clock, and without a loss of data, has. A reply that is lost is a matter of the network's; and what lies
/// between reading and writing is inside, and tried there.
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

fn keeps_the_contract(harness: &Nats) -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(harness));
    println!("{report}");
    let left_out = report.not_available().iter().map(|left_out| left_out.case);
    let left_out: Vec<_> = left_out.filter(|case| !case.starts_with("lingering_")).collect();
    assert_eq!(left_out, NEVER);
    report.into_result()
}

#[test]
fn one_server() -> Result<(), Failures> {
    keeps_the_contract(&Nats::on(Server::start()))
}

#[test]
fn three_members() -> Result<(), Failures> {
    keeps_the_contract(&Nats::on_each_of(Cluster::start()))
}

fn migrated(server: &Server) -> NatsStorage {
    let storage = NatsStorage::new([server.address()]).unwrap();
    block_on(storage.migrate()).unwrap();
    storage
}

#[test]
fn every_executor() {
    let server = Server::start();
    let election = || hand_over(migrated(&server));
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
    let storage = migrated(&server);
    let key = Key::new("k").unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(storage.get(&key)).unwrap();
        drop(runtime);
        block_on(storage.get(&key)).unwrap();
    }
}
