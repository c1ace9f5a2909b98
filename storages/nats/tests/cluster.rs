//! Elections on a cluster of three, while its servers fail: there are never two leaders, and terms grow.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{Either, select};
use lessor::storage::{Acquired, Claim, Renewal, Renewed, Session};
use lessor::{Builder, Id, Key, Storage, StorageExt};
use lessor_nats::NatsStorage;
use lessor_servers::elections::{Elections, now, sleep_until};
use lessor_servers::nats::Cluster;
use lessor_servers::proxy::Proxy;

const TTL: Duration = Duration::from_secs(2);

/// Until a stream has another leader, beside what is promised of elections: NATS takes four to nine seconds to miss one, and the same
/// again for who leads the whole cluster.
const ELECTION: Duration = Duration::from_secs(20);

fn cluster() -> Cluster {
    let cluster = Cluster::start();
    let storage = NatsStorage::builder().replicas(3).unwrap().build(cluster.addresses()).unwrap();
    cluster.place(|| block_on(storage.migrate()));
    cluster
}

/// A node with all addresses each, whichever it begins with.
fn on(cluster: &Cluster) -> Elections {
    let storage = || Arc::new(NatsStorage::new(cluster.addresses()).unwrap()) as Arc<dyn Storage>;
    let storages = (0..3).map(|_| storage()).collect();
    Elections::start(&["first", "second"], storages, |builder: Builder| builder.ttl(TTL))
}

fn pause(time: Duration) {
    sleep_until(now().saturating_add(time));
}

/// Somebody leads each key while one server is away, and when it is back. The one that the stream's leader was.
fn goes_on(hurt: impl Fn(&Cluster, usize), heal: impl Fn(&Cluster, usize)) {
    let cluster = cluster();
    let elections = on(&cluster);
    let _ = elections.leader();
    for _ in 0..2 {
        let leader = cluster.leader();
        hurt(&cluster, leader);
        elections.all_led_after(now(), ELECTION);
        // Longer than a lease: whoever led by what the old one said has to have stopped.
        pause(TTL * 2);
        heal(&cluster, leader);
        elections.all_led_after(now(), ELECTION);
        pause(TTL);
    }
    elections.finish();
}

#[test]
fn the_leader_stands_still() {
    let still = |cluster: &Cluster, member: usize| cluster.members()[member].pause();
    goes_on(still, |cluster, member| cluster.members()[member].resume());
}

#[test]
fn the_leader_is_killed() {
    let killed = |cluster: &Cluster, member: usize| cluster.members()[member].stop();
    goes_on(killed, |cluster, member| cluster.members()[member].crash());
}

/// Its clients still reach it: for some seconds it goes on answering reads, and never a write.
#[test]
fn the_leader_is_cut_off() {
    goes_on(Cluster::isolate, |cluster, _| cluster.heal());
}

/// Without a majority nobody leads for longer than a ttl; with one again, somebody does.
#[test]
fn the_majority_is_gone() {
    let cluster = cluster();
    let elections = on(&cluster);
    let (_, term) = elections.leader();
    for member in &cluster.members()[..2] {
        member.pause();
    }
    pause(TTL + Duration::from_millis(200));
    assert!(elections.nobody_leads());
    for member in &cluster.members()[..2] {
        member.resume();
    }
    elections.all_led_after(now(), ELECTION);
    assert!(elections.leader().1 > term);
    elections.finish();
}

/// All are killed at once, and come back: what was granted is still known.
#[test]
fn all_are_killed() {
    let cluster = cluster();
    let elections = on(&cluster);
    let _ = elections.leader();
    for _ in 0..2 {
        cluster.crash();
        elections.all_led_after(now(), ELECTION);
    }
    elections.finish();
}

/// A candidate whose only server is cut off from the others stops in time, and another leads.
#[test]
fn a_candidate_of_a_lost_server() {
    let cluster = cluster();
    let each = cluster
        .addresses()
        .into_iter()
        .map(|address| Arc::new(NatsStorage::new([address]).unwrap()) as Arc<dyn Storage>);
    let elections = Elections::start(&["k"], each.collect(), |builder: Builder| builder.ttl(TTL));
    for _ in 0..2 {
        let (leader, term) = elections.leader();
        cluster.isolate(leader);
        elections.wait("another leads", || {
            Some(elections.leader()).filter(|(other, later)| *other != leader && *later > term)
        });
        cluster.heal();
        elections.follows(leader);
        elections.all_led_after(now(), ELECTION);
    }
    elections.finish();
}

async fn soon<F: Future>(what: F) -> Option<F::Output> {
    match select(pin!(what), smol::Timer::after(Duration::from_secs(2))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// A server that led the others, and is cut off from them, answers reads with what was, until it notices. Who has written since does not
/// believe it.
#[test]
fn what_was_written_is_not_denied() {
    let (id, minute) = (Id::new("a").unwrap(), Duration::from_secs(60));
    let cluster = cluster();
    for round in 1..10 {
        let leader = cluster.leader();
        let proxy = Proxy::to(cluster.members()[(leader + 1) % 3].port());
        let storage = NatsStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        let (key, session) = (Key::new(format!("k{round}")).unwrap(), Session::from_bits(round));
        let was_stale = block_on(async {
            let claim = Claim::new(key.clone(), id.clone(), session, minute);
            // After the round before there may be no leader yet.
            let (term, first) = loop {
                match storage.acquire(claim.clone()).await {
                    Ok(Acquired::Granted { term, version, .. }) => break (term, version),
                    Ok(refused) => panic!("it is free: {refused:?}"),
                    Err(_) => smol::Timer::after(Duration::from_millis(20)).await,
                };
            };
            cluster.isolate(leader);
            let renewal = Renewal::new(key.clone(), id.clone(), session, term, minute);
            // Until the two others have a leader.
            while !matches!(soon(storage.renew(renewal.clone())).await, Some(Ok(Renewed::Extended { .. }))) {
                smol::Timer::after(Duration::from_millis(20)).await;
            }
            proxy.point_to(cluster.members()[leader].port());
            proxy.reset_open();
            let stranger = NatsStorage::new([cluster.members()[leader].address()]).unwrap();
            let told = soon(stranger.get(&key)).await;
            let own = soon(storage.get(&key)).await;
            let is_old = |told: &Option<Result<Option<lessor::Lease>, _>>| matches!(told, Some(Ok(Some(lease))) if lease.version == first);
            assert!(!is_old(&own), "{own:?}");
            let was_stale = is_old(&told);
            if was_stale && let Some(own) = own {
                let error = own.unwrap_err();
                assert!(error.to_string().contains("before this process wrote"), "{error}");
            }
            was_stale
        });
        cluster.heal();
        if was_stale {
            return;
        }
    }
    panic!("the one that was cut off answered nothing");
}
