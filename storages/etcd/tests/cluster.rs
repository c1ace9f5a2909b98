//! Elections on a cluster of three, while its members fail: there are never two leaders, and terms grow.

use std::sync::Arc;
use std::time::Duration;

use lessor::{Builder, Storage};
use lessor_etcd::EtcdStorage;
use lessor_servers::elections::{Elections, now, sleep_until};
use lessor_servers::etcd::{Cluster, Release};

const TTL: Duration = Duration::from_secs(2);

/// Until a cluster has another leader, and its members know, beside what is promised of elections.
const ELECTION: Duration = Duration::from_secs(3);

/// A node with all endpoints each, whichever it begins with.
fn on(cluster: &Cluster) -> Elections {
    let storage = || Arc::new(EtcdStorage::new(cluster.endpoints()).unwrap()) as Arc<dyn Storage>;
    let storages = (0..3).map(|_| storage()).collect();
    Elections::start(&["first", "second"], storages, |builder: Builder| builder.ttl(TTL))
}

fn pause(time: Duration) {
    sleep_until(now().saturating_add(time));
}

/// Somebody leads each key while one member is away, and when it is back. The one that the cluster's leader was.
fn goes_on(release: Release, hurt: impl Fn(&Cluster, usize), heal: impl Fn(&Cluster, usize)) {
    let cluster = Cluster::start(release);
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
    for release in [Release::V3_4, Release::V3_5] {
        let still = |cluster: &Cluster, member: usize| cluster.members()[member].pause();
        goes_on(release, still, |cluster, member| cluster.members()[member].resume());
    }
}

/// Not of the other release, which is 3.5.1 here: what a killed member of it comes back with is not what the others have.
#[test]
fn the_leader_is_killed() {
    let killed = |cluster: &Cluster, member: usize| cluster.members()[member].stop();
    goes_on(Release::V3_4, killed, |cluster, member| cluster.members()[member].crash());
}

/// Its clients still reach it: it answers them nothing, or that there is no leader.
#[test]
fn the_leader_is_cut_off() {
    for release in [Release::V3_4, Release::V3_5] {
        goes_on(release, Cluster::isolate, |cluster, _| cluster.heal());
    }
}

/// Without a majority nobody leads for longer than a ttl; with one again, somebody does.
#[test]
fn the_majority_is_gone() {
    let cluster = Cluster::start(Release::V3_5);
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
    let cluster = Cluster::start(Release::V3_4);
    let elections = on(&cluster);
    let _ = elections.leader();
    for _ in 0..2 {
        cluster.crash();
        elections.all_led_after(now(), ELECTION);
    }
    elections.finish();
}

/// A candidate whose only member is cut off from the others stops in time, and another leads.
#[test]
fn a_candidate_of_a_lost_member() {
    let cluster = Cluster::start(Release::V3_5);
    let each = cluster
        .endpoints()
        .into_iter()
        .map(|endpoint| Arc::new(EtcdStorage::new([endpoint]).unwrap()) as Arc<dyn Storage>);
    let elections = Elections::start(&["k"], each.collect(), |builder: Builder| builder.ttl(TTL));
    for _ in 0..2 {
        let (leader, term) = elections.leader();
        cluster.isolate(leader);
        elections.wait("another leads", || {
            Some(elections.leader()).filter(|(other, later)| *other != leader && *later > term)
        });
        cluster.heal();
        elections.follows(leader);
    }
    elections.finish();
}

/// A resignation wakes the next one at once, and whoever has resigned hears of it: each time, on whichever member.
#[test]
fn hand_overs_on_a_member() {
    let cluster = Cluster::start(Release::V3_5);
    let storages =
        (0..2).map(|_| Arc::new(EtcdStorage::new([cluster.endpoints().swap_remove(0)]).unwrap()) as Arc<dyn Storage>);
    let tune = |builder: Builder| builder.ttl(Duration::from_secs(30)).cool_off(Duration::from_millis(50));
    let elections = Elections::start(&["k"], storages.collect(), tune);
    for _ in 0..40 {
        let (leader, term) = elections.leader();
        let other = elections.candidate(1 - leader);
        // Told of, well before it would ask by itself.
        elections.wait("the other knows", || other.leader().filter(|lease| lease.is_live() && lease.term == term));
        let began = now();
        futures::executor::block_on(elections.candidate(leader).resign()).unwrap();
        elections.wait("the other leads", || Some(elections.leader()).filter(|(_, later)| *later > term));
        let took = now().saturating_duration_since(began);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    elections.finish();
}
