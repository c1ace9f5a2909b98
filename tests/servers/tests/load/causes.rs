//! A server that cannot be reached: what is told says why, and soon.

use std::time::Duration;

use lessor_servers::elections::{Elections, now};
use lessor_servers::{mysql, postgres};

use crate::engine::Sql;
use crate::{are_led, failures_since, keys, renews, within};

/// With room for a server that is slow to answer on a busy machine: who waits for longer than a request may take is told that.
const TTL: Duration = Duration::from_secs(30);

/// Shorter than the ttl would have it, so that a renewal fails soon.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// Within two request timeouts it is told, and nothing else that does not help: who waited for how long.
#[track_caller]
fn is_told(elections: &Elections, mark: usize, cause: &str) {
    let began = now();
    let limit = elections.config().request_timeout * 2;
    let told = || failures_since(elections, mark).into_iter().find(|failure| failure.to_lowercase().contains(cause));
    let told = within(elections, limit, told);
    let failures = failures_since(elections, mark);
    let took = now().saturating_duration_since(began);
    let vague = failures.iter().any(|failure| failure.contains("no answer within") || failure.contains("timed out"));
    assert!(
        told.is_some() && !vague,
        "{cause:?} is what should be told within {limit:?}; after {took:?}: {failures:?}"
    );
    println!("after {took:?}: {failures:?}");
}

fn start<E: Sql>(server: &E) -> Elections {
    Elections::start(&keys(1), vec![server.storage(server.port(), 4)], |builder| {
        builder.ttl(TTL).renew_interval(RENEW_INTERVAL)
    })
}

/// It is down when the candidate starts, and comes.
fn down_at_first<E: Sql>() {
    let server = E::start();
    server.stop();
    let elections = start(&server);
    is_told(&elections, 0, "refused");
    server.restart();
    are_led(&elections, &[""], TTL);
    elections.finish();
}

/// It goes down while somebody leads, and comes again.
fn down_later<E: Sql>() {
    let server = E::start();
    let elections = start(&server);
    are_led(&elections, &[""], TTL);
    let mark = elections.log().mark();
    server.stop();
    // Nobody asks before the next renewal.
    elections.wait("a renewal fails", || failures_since(&elections, mark).pop());
    is_told(&elections, mark, "refused");
    server.restart();
    // It led all the time.
    renews(&elections, 1);
    elections.finish();
}

/// It takes no more connections, and then does.
fn full<E: Sql>() {
    let server = E::start();
    let make_room = server.fill();
    let elections = start(&server);
    is_told(&elections, 0, "too many connections");
    make_room();
    are_led(&elections, &[""], TTL);
    elections.finish();
}

#[test]
fn postgres_is_down_at_first() {
    down_at_first::<postgres::Server>();
}

#[test]
fn mysql_is_down_at_first() {
    down_at_first::<mysql::Server>();
}

#[test]
fn postgres_goes_down() {
    down_later::<postgres::Server>();
}

#[test]
fn mysql_goes_down() {
    down_later::<mysql::Server>();
}

#[test]
fn postgres_is_full() {
    full::<postgres::Server>();
}

#[test]
fn mysql_is_full() {
    full::<mysql::Server>();
}
