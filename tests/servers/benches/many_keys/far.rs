//! A server that is 20 ms away, a reset, and a stall that outlasts all leases.

use std::time::{Duration, Instant};

use lessor::Builder;
use lessor_postgres::PostgresStorage;
use lessor_servers::proxy::{Mode, Proxy};

use crate::crowd::{Crowd, Seen};
use crate::keys::{RENEW, TTL};
use crate::server::Measured;
use crate::table::figure;

const KEYS: usize = 1_000;
const STALL: Duration = Duration::from_secs(12);

pub(crate) async fn measure(watched: Duration) {
    let server = Measured::start().await;
    let proxy = Proxy::to(server.server.port());
    proxy.set(Mode::Delay(Duration::from_millis(10)));
    let storage = PostgresStorage::new(server.options().port(proxy.port()));
    let build = |number: usize| Builder::new(format!("key-{number}")).ttl(TTL).renew_interval(RENEW);
    let crowd = Crowd::start(KEYS, &storage, build);
    led_after("the start", &crowd, Instant::now(), &proxy).await;
    let seen = crowd.watch(watched.min(TTL)).await;
    led("then", &seen);

    proxy.reset_open();
    let seen = crowd.watch(TTL * 3 / 2).await;
    led("after a reset", &seen);
    figure("far: connections opened so far", proxy.opened());

    server.server.pause();
    let seen = crowd.watch(STALL).await;
    server.server.resume();
    led("during a stall of 12 s", &seen);
    let resumed = Instant::now();
    led_after("the stall", &crowd, resumed, &proxy).await;
    let seen = crowd.watch(TTL).await;
    led("after that", &seen);
    figure("far: what the connections did", format!("{:?}", storage.traffic()));
    crowd.end().await;
}

async fn led_after(what: &str, crowd: &Crowd, since: Instant, proxy: &Proxy) {
    let took = crowd.all_lead_since(since).await;
    let took = took.map_or_else(|| "never".into(), |took| format!("{took:.2?}"));
    figure(&format!("far: all are led after {what}; connections opened so far"), format!("{took}; {}", proxy.opened()));
}

fn led(when: &str, seen: &Seen) {
    let by_second: Vec<_> = seen.by_second.iter().map(ToString::to_string).collect();
    figure(
        &format!("far: leaders {when}, at least; at each second"),
        format!("{} of {KEYS}; {}", seen.least, by_second.join(" ")),
    );
}
