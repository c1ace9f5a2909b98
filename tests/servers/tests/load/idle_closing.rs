//! Something on the way closes what is idle between two renewals.

use std::time::Duration;

use lessor::Event;
use lessor_servers::elections::Elections;
use lessor_servers::proxy::Proxy;
use lessor_servers::{etcd, mysql, nats, postgres};

use crate::engine::{Bucket, Engine, Redis};
use crate::{are_led, keys, renews, since};

/// With room for answers that a busy machine is slow to give: they are no failures.
const TTL: Duration = Duration::from_secs(15);

/// Shorter than the ttl would have it: many renewals, in little time.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// Whoever leads does not notice: what is asked on a connection that has ended is asked again at once on another.
fn goes_unnoticed<E: Engine>() {
    let (_server, proxy, elections) = resets_go_unnoticed::<E>();
    proxy.close_idle(RENEW_INTERVAL / 4);
    let (mark, opened) = (elections.log().mark(), proxy.opened());
    renews(&elections, 10);
    assert!(proxy.opened() > opened + 2, "connections are closed");
    let by_closing = noticed(&elections, mark);
    assert!(by_closing.is_empty(), "idle for long: {by_closing:?}");
    elections.finish();
}

/// Between two renewals. (One connection that is watched on, too, is made anew at once and closed again and again, so that a renewal
/// may be under way at that very moment.)
fn resets_go_unnoticed<E: Engine>() -> (E, Proxy, Elections) {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    let keys = keys(1);
    let storages = vec![server.storage(proxy.port(), 4)];
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(TTL).renew_interval(RENEW_INTERVAL));
    are_led(&elections, &keys, TTL);
    let mark = elections.log().mark();
    for _ in 0..5 {
        proxy.reset_open();
        renews(&elections, 1);
    }
    let by_resets = noticed(&elections, mark);
    assert!(by_resets.is_empty(), "5 resets: {by_resets:?}");
    (server, proxy, elections)
}

/// Whatever is told of a renewal that does not come at once.
fn noticed(elections: &Elections, mark: usize) -> Vec<Event> {
    let is_told = |event: &Event| matches!(event, Event::Jeopardy { .. } | Event::StorageFailed { .. });
    since(elections, mark, |entry| Some(entry.event.clone()).filter(is_told))
}

#[test]
fn postgres_goes_on() {
    goes_unnoticed::<postgres::Server>();
}

#[test]
fn mysql_goes_on() {
    goes_unnoticed::<mysql::Server>();
}

#[test]
fn redis_goes_on() {
    goes_unnoticed::<Redis>();
}

#[test]
fn etcd_goes_on() {
    let (_server, _proxy, elections) = resets_go_unnoticed::<etcd::Server>();
    elections.finish();
}

#[test]
fn nats_goes_on() {
    let (_server, _proxy, elections) = resets_go_unnoticed::<nats::Server>();
    elections.finish();
}

#[test]
fn a_bucket_goes_on() {
    goes_unnoticed::<Bucket>();
}
