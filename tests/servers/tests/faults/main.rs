//! Elections on real servers, while these and the connections to them fail in every way.
//!
//! Each test is the same on all servers at once. What holds all the time (one leader, terms that grow, no leader fenced
//! off) is checked by [`Elections`](lessor_servers::elections::Elections) beside what a test asks for.

mod check;
mod clock;
mod errors;
mod faulty;
mod in_doubt;
mod network;
mod server;
mod stale;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use faulty::{Durable, Faulty, Forgetful};
use lessor::{Builder, Storage};
use lessor_servers::proxy::Proxy;
use lessor_servers::{etcd, mysql, nats, postgres, seaweed};

const TTL: Duration = Duration::from_secs(1);

/// A scenario on each kind of server, all at the same time.
macro_rules! on_each_server {
    ($module:ident::$scenario:ident) => {
        $crate::all(&[
            (etcd::Server::NAME, $module::$scenario::<etcd::Server>),
            (nats::Server::NAME, $module::$scenario::<nats::Server>),
            (seaweed::Server::NAME, $module::$scenario::<seaweed::Server>),
            (postgres::Server::NAME, $module::$scenario::<postgres::Server>),
            (mysql::Server::NAME, $module::$scenario::<mysql::Server>),
            (Forgetful::NAME, $module::$scenario::<Forgetful>),
            (Durable::NAME, $module::$scenario::<Durable>),
        ])
    };
}

fn all(scenarios: &[(&str, fn())]) {
    let started: Vec<_> = scenarios
        .iter()
        .map(|(name, scenario)| thread::Builder::new().name((*name).into()).spawn(*scenario).unwrap())
        .collect();
    let failed: Vec<_> = started
        .into_iter()
        .zip(scenarios)
        .filter_map(|(thread, (name, _))| thread.join().err().map(|_| name))
        .collect();
    assert!(failed.is_empty(), "it fails on {failed:?}");
}

/// So many nodes, each behind a proxy of its own.
fn behind_proxies<S: Faulty>(server: &S, nodes: usize) -> (Vec<Proxy>, Vec<Arc<dyn Storage>>) {
    let proxies: Vec<_> = (0..nodes).map(|_| Proxy::to(server.port())).collect();
    let storages = proxies.iter().map(|proxy| server.storage_at(proxy.port())).collect();
    (proxies, storages)
}

fn short(builder: Builder) -> Builder {
    builder.ttl(TTL)
}

#[test]
fn a_server_is_killed() {
    on_each_server!(server::killed);
}

#[test]
fn a_server_stands_still() {
    on_each_server!(server::paused);
}

#[test]
fn the_leader_is_cut_off() {
    on_each_server!(network::cut_off);
}

#[test]
fn replies_are_lost() {
    on_each_server!(in_doubt::replies_lost);
}

#[test]
fn messages_come_late() {
    on_each_server!(stale::late);
}

#[test]
fn the_clock_steps_back() {
    // In registers there are no dates.
    all(&[
        (postgres::Server::NAME, clock::an_hour_back::<postgres::Server>),
        (mysql::Server::NAME, clock::an_hour_back::<mysql::Server>),
        (Forgetful::NAME, clock::an_hour_back::<Forgetful>),
        (Durable::NAME, clock::an_hour_back::<Durable>),
    ]);
}

#[test]
fn a_check_comes_to_an_end() {
    on_each_server!(check::silent);
}

#[test]
fn errors_heal() {
    all(&[
        (postgres::Server::NAME, errors::postgres::heal),
        (mysql::Server::NAME, errors::mysql::heal),
        ("Redis", errors::redis::heal),
        (etcd::Server::NAME, errors::etcd::heal),
        (nats::Server::NAME, errors::nats::heal),
        (seaweed::Server::NAME, errors::objects::heal),
    ]);
}
