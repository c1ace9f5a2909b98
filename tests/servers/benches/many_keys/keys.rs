//! Ten thousand keys of one process, for a minute.

use std::time::Duration;

use lessor::Builder;
use lessor_postgres::PostgresStorage;

use crate::crowd::Crowd;
use crate::server::Measured;
use crate::table::{figure, times};
use crate::{machine, pass};

pub(crate) const KEYS: usize = 10_000;
pub(crate) const TTL: Duration = Duration::from_secs(10);
pub(crate) const RENEW: Duration = Duration::from_secs(2);

/// What each renewal costs while nothing else happens, and each candidate.
pub(crate) struct Cost {
    pub(crate) client: Duration,
    pub(crate) server: Duration,
    pub(crate) keys_a_flight: usize,
    pub(crate) bytes: u64,
}

pub(crate) async fn measure(connections: usize, watched: Duration) {
    let mut server = Measured::start().await;
    let name = format!("{KEYS} keys, connections: {connections}");
    let Some(cost) = watch(&mut server, KEYS, connections, watched, &name).await else { return };
    // The same keys afterwards, in the same minute.
    let one = pass::bare_renewal(&server, KEYS, KEYS, RENEW).await;
    let like = pass::bare_renewal(&server, KEYS, cost.keys_a_flight, RENEW).await;
    let what = format!("{name}: server CPU of a renewal; of a row of a bare UPDATE");
    times(&format!("{what} of all"), one, cost.server);
    times(&format!("{what} of {}, as a flight", cost.keys_a_flight), like, cost.server);
    figure(&format!("{name}: client CPU of a renewal"), format!("{:.2?}", cost.client));
}

/// Starts them, waits until all lead, and lets them be for so long. `None`: they never did.
///
/// Once in a process: memory that was used before is used again.
pub(crate) async fn watch(
    server: &mut Measured,
    count: usize,
    connections: usize,
    watched: Duration,
    name: &str,
) -> Option<Cost> {
    let storage = server.storage(PostgresStorage::builder().connections(connections));
    let before = machine::resident();
    let build = |number: usize| Builder::new(format!("key-{number}")).ttl(TTL).renew_interval(RENEW);
    let crowd = Crowd::start(count, &storage, build);
    let Some(took) = crowd.all_lead().await else {
        figure(&format!("{name}: led at most, for as long as was waited"), crowd.led());
        return None;
    };
    figure(&format!("{name}: all lead after"), format!("{took:.2?}"));
    crowd.watch(RENEW * 2).await;
    let bytes = machine::resident().saturating_sub(before) / count as u64;
    let (traffic, client, spent) = (storage.traffic(), machine::own_cpu(), server.cpu().await);
    let seen = crowd.watch(watched).await;
    let (client, server) = (machine::own_cpu() - client, server.cpu().await - spent);
    let now = storage.traffic();
    let (flights, requests) = (now.flights - traffic.flights, now.requests - traffic.requests);
    let seconds = watched.as_secs_f64();
    figure(&format!("{name}: led at least, in {} looks", seen.looks), format!("{} of {count}", seen.least));
    figure(
        &format!("{name}: flights, requests a second"),
        format!("{:.0}, {:.0}", flights as f64 / seconds, requests as f64 / seconds),
    );
    let share = |spent: Duration| spent.as_secs_f64() / seconds * 100.0;
    figure(
        &format!("{name}: CPU of client, server (of one core)"),
        format!("{:.1} %, {:.1} %", share(client), share(server)),
    );
    figure(&format!("{name}: memory a candidate"), format!("{bytes} B"));
    let trouble = (now.connected, now.not_connected, now.repeated, now.not_sent, now.silent);
    figure(&format!("{name}: connected, not connected, repeated, not sent, silent"), format!("{trouble:?}"));
    crowd.end().await;
    let each = |spent: Duration| spent / u32::try_from(requests.max(1)).unwrap_or(u32::MAX);
    let keys_a_flight = usize::try_from(requests / flights.max(1)).unwrap_or(count).max(1);
    Some(Cost { client: each(client), server: each(server), keys_a_flight, bytes })
}
