use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::join;
use lessor::storage::{Reply, Request};
use lessor::{Storage, StorageExt};
use lessor_etcd::EtcdStorage;
use lessor_etcd::etcd_client::{
    Client, Compare, CompareOp, LeaseKeepAliveStream, LeaseKeeper, PutOptions, Txn, TxnOp, WatchOptions, WatchStream,
};
use lessor_servers::etcd::{Cluster, Release, Server};
use tokio::runtime::{Builder, Runtime};

use crate::hand_over::idle;
use crate::rounds::{Rounds, row};
use crate::{Bare, RECORD, all, claim, within};

/// How many keys of a process are renewed at once.
const KEYS: usize = 127;

struct Hand<'r> {
    runtime: &'r Runtime,
    client: Client,
    revision: i64,
    told: WatchStream,
    hand_over: i64,
}

/// Writes the key if it is still at this revision; the answer is the new one.
async fn swap(mut client: Client, key: &str, revision: i64) -> i64 {
    let transaction = swapping(key, revision);
    let answer = client.txn(transaction).await.expect("an answer");
    assert!(answer.succeeded());
    answer.header().expect("a header").revision()
}

fn swapping(key: &str, revision: i64) -> Txn {
    let is_expected = Compare::mod_revision(key, CompareOp::Equal, revision);
    Txn::new().when([is_expected]).and_then([TxnOp::put(key, RECORD, None)])
}

impl<'r> Hand<'r> {
    async fn new(runtime: &'r Runtime, endpoint: String) -> Self {
        let begin = async {
            let mut client = Client::connect([endpoint], None).await.expect("a client");
            let hand_over = swap(client.clone(), "hand/over", 0).await;
            let options = WatchOptions::new().with_start_revision(hand_over + 1);
            let mut told = client.watch("hand/over", Some(options)).await.expect("a watch");
            told.message().await.expect("a watch").expect("it stands");
            Self { runtime, client, revision: 0, told, hand_over }
        };
        within(runtime, begin).await
    }
}

impl Bare for Hand<'_> {
    async fn acquire(&mut self) {
        self.revision = within(self.runtime, swap(self.client.clone(), "hand/k", self.revision)).await;
    }

    async fn renew(&mut self) {
        self.acquire().await;
    }

    async fn look(&mut self) {
        let found = within(self.runtime, self.client.get("hand/k", None)).await;
        assert_eq!(found.expect("an answer").kvs().len(), 1);
    }

    async fn hand_over(&mut self) -> Duration {
        let Self { runtime, client, told, hand_over, .. } = self;
        idle().await;
        let began = Instant::now();
        let next = client.clone();
        let give_up = swap(client.clone(), "hand/over", *hand_over);
        let take = async {
            let message = told.message().await.expect("it is told").expect("of the release");
            let revision = message.events()[0].kv().expect("its key").mod_revision();
            let taken = swap(next, "hand/over", revision).await;
            (taken, began.elapsed())
        };
        let (_, (taken, took)) = within(runtime, async { join!(give_up, take) }).await;
        *hand_over = taken;
        let own = within(runtime, told.message()).await;
        own.expect("it is told").expect("of the grant");
        took
    }
}

/// A lease of etcd's own, as one would renew with it.
struct Lease {
    id: i64,
    keeper: LeaseKeeper,
    alive: LeaseKeepAliveStream,
}

/// Ways to renew: by a swap, which this storage does; by a new lease of etcd and a swap that attaches it; and by keeping such a
/// lease alive, which moves no version. And many keys: one after the other, all at once, in one transaction.
async fn ways(name: &str, runtime: &Runtime, endpoint: String) {
    let mut client = within(runtime, Client::connect([endpoint.clone()], None)).await.expect("a client");
    let begin = async {
        let id = client.lease_grant(30, None).await.expect("a lease").id();
        let (keeper, alive) = client.lease_keep_alive(id).await.expect("a stream");
        Lease { id, keeper, alive }
    };
    let mut lease = within(runtime, begin).await;
    assert!(lease.id != 0);
    let mut revision = within(runtime, swap(client.clone(), "hand/ways", 0)).await;
    let mut measured = Rounds::new(["a new lease and a swap, instead of a swap", "a keep-alive, instead of a swap"]);
    while measured.go_on() {
        let mut renew = async || revision = within(runtime, swap(client.clone(), "hand/ways", revision)).await;
        measured.time(0, &mut renew).await;
        measured.time(2, &mut renew).await;
        measured
            .time(1, async || {
                let renewal = async {
                    let mut client = client.clone();
                    let id = client.lease_grant(30, None).await.expect("a lease").id();
                    let is_expected = Compare::mod_revision("hand/ways", CompareOp::Equal, revision);
                    let attach = PutOptions::new().with_lease(id);
                    let put = TxnOp::put("hand/ways", RECORD, Some(attach));
                    let answer = client.txn(Txn::new().when([is_expected]).and_then([put])).await.expect("an answer");
                    assert!(answer.succeeded());
                    answer.header().expect("a header").revision()
                };
                revision = within(runtime, renewal).await;
            })
            .await;
        measured
            .time(3, async || {
                let kept = within(runtime, async {
                    lease.keeper.keep_alive().await.expect("it is sent");
                    lease.alive.message().await.expect("an answer").expect("a stream")
                });
                assert!(kept.await.ttl() > 0);
            })
            .await;
    }
    measured.print(name);
    many(name, runtime, &client, endpoint).await;
}

async fn many(name: &str, runtime: &Runtime, client: &Client, endpoint: String) {
    let names: Vec<_> = (0..KEYS).map(|number| format!("hand/{number}")).collect();
    let mut revisions = vec![0; KEYS];
    let mut times = [const { Vec::new() }; 3];
    let storage = EtcdStorage::builder().prefix("many/").expect("a prefix").build([endpoint]).expect("an endpoint");
    let claims: Vec<Request> = names.iter().map(|name| claim(name, 1).into()).collect();
    assert!(storage.call_all(claims).await.iter().all(Result::is_ok));
    for _ in 0..21 {
        let began = Instant::now();
        for (name, revision) in names.iter().zip(&mut revisions) {
            *revision = within(runtime, swap(client.clone(), name, *revision)).await;
        }
        times[0].push(began.elapsed());
        let began = Instant::now();
        let all = names.iter().zip(&revisions).map(|(name, revision)| swap(client.clone(), name, *revision));
        revisions = within(runtime, join_all(all)).await;
        times[1].push(began.elapsed());
        let began = Instant::now();
        let all = names.iter().zip(&revisions).map(|(name, revision)| TxnOp::txn(swapping(name, *revision)));
        let together = Txn::new().and_then(all.collect::<Vec<_>>());
        let answer = within(runtime, client.clone().txn(together)).await.expect("an answer");
        revisions = vec![answer.header().expect("a header").revision(); KEYS];
        times[2].push(began.elapsed());
    }
    let mut ours = Vec::new();
    for _ in 0..21 {
        let renewals = names.iter().map(|name| {
            let claim = claim(name, 1);
            lessor::storage::Renewal::new(claim.key, claim.id, claim.session, lessor::Term::FIRST, claim.ttl).into()
        });
        let began = Instant::now();
        let answers = storage.call_all(renewals.collect()).await;
        ours.push(began.elapsed());
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Renewed(_)))));
    }
    assert!(storage.get(&claim(&names[0], 1).key).await.expect("an answer").is_some_and(|lease| lease.is_live()));
    let [singles, at_once, together] = &times;
    row(name, "127 keys: all at once, instead of one by one", singles, at_once);
    row(name, "127 keys: in one transaction, instead of all at once", at_once, together);
    row(name, "127 keys: renewed in one transaction", together, &ours);
}

pub(crate) async fn measure() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = Server::of(Release::V3_5);
    let cluster = Cluster::start(Release::V3_5);
    for (name, endpoint) in [("etcd", server.endpoint()), ("etcd, 3 members", cluster.endpoints().swap_remove(0))] {
        let storage = || EtcdStorage::new([endpoint.clone()]).expect("an endpoint");
        let storages = [storage(), storage()];
        storages[0].check().await.expect("it is ready");
        all(name, storages, &mut Hand::new(&runtime, endpoint.clone()).await).await;
        ways(name, &runtime, endpoint).await;
    }
    runtime.shutdown_background();
}
