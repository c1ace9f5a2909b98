//! What an operator sees: a service that leads one key, with metrics for Prometheus, probes for Kubernetes and a log of
//! lines. On tokio and axum. Beside this file: `prometheus.yml`, `alerts.yml`, `dashboard.json` for Grafana and
//! `kubernetes.yaml`.
//!
//! `cargo run --features prometheus --example observed -- 127.0.0.1:8001`, and in another terminal `.. -- 127.0.0.1:8002`.
//! Without an address it takes a free port of this machine. They share `leases.db` in the current folder, or what the URL
//! in `LESSOR_STORAGE` names (an engine other than SQLite needs its feature: `--features prometheus,postgres`, say).
//!
//! * `curl 127.0.0.1:8001/metrics` is what Prometheus reads; `grep lessor_leading` in it says who leads.
//! * `prometheus --config.file=examples/observed/prometheus.yml`, and on <http://127.0.0.1:9090> the page of alerts. Kill the
//!   leader: after the ttl, 10 s, the other one leads. Kill both: some 40 s later `NobodyLeads` fires.
//! * In Grafana: Dashboards, New, Import, `dashboard.json`.
//! * `/health/live` and `/health/ready` answer 200 or 503. SIGTERM and Ctrl-C end it gracefully.
//! * The id is the pod's name, `POD_NAME`, or else the address. `LOG_LEVEL=debug` says more.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::get;
use futures::channel::oneshot;
use lessor::{Builder, Fence, Key, Leadership, Term, Then, WeakCandidate};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::time::{interval, sleep};
use tracing::level_filters::LevelFilter;

mod recorder;

/// What requests are answered from. The handle keeps nobody leading: if the work dies, another process leads.
#[derive(Clone)]
struct Service {
    candidate: WeakCandidate,
    key: Key,
    ttl: Duration,
    metrics: PrometheusHandle,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let level = env::var("LOG_LEVEL").unwrap_or_else(|_| "info".into());
    let level: LevelFilter = level
        .parse()
        .map_err(|_| format!("LOG_LEVEL is {level:?}, allowed are off, error, warn, info, debug, trace"))?;
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let address: SocketAddr =
        address.parse().map_err(|_| format!("the address is {address:?}, allowed is one such as 127.0.0.1:8001"))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    // Ctrl-C and SIGTERM.
    ctrlc::set_handler(move || drop(stop.take()))?;

    // Before a driver runs: what it would tell sooner is lost.
    let metrics = recorder::install()?;
    let storage = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
    let storage = lessor_any::open(&storage).await?;
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let id = env::var("POD_NAME").unwrap_or_else(|_| url.clone());
    let (candidate, driver) = Builder::new("observed").id(&id).build(storage)?;
    let service = Service {
        candidate: candidate.downgrade(),
        key: candidate.key().clone(),
        ttl: driver.config().ttl,
        metrics: metrics.clone(),
    };
    let routes = Router::new()
        .route("/", get(leader))
        .route("/metrics", get(scrape))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(service);

    tracing::info!("serves at {url}");
    let worker = tokio::spawn(async move { candidate.lead(work).await });
    let driver = tokio::spawn(driver.run_until(stopped));
    tokio::spawn(async move {
        // What was recorded piles up until it is put into its buckets: also where nobody scrapes.
        let mut due = interval(Duration::from_secs(5));
        loop {
            due.tick().await;
            metrics.run_upkeep();
        }
    });
    // First hands over, and answers meanwhile; then takes no more requests, and ends when the last one is answered. So it does
    // when the work panics, and then fails with that.
    axum::serve(listener, routes).with_graceful_shutdown(async { drop(driver.await) }).await?;
    worker.await??;
    tracing::info!("has handed over and ended");
    Ok(())
}

async fn leader(State(service): State<Service>) -> String {
    match service.candidate.leader() {
        Some(lease) => format!("{lease}\n"),
        None => "nobody leads, as far as is known\n".into(),
    }
}

/// What is true now is set now. A driver that stands still would leave its last word in the gauge.
async fn scrape(State(service): State<Service>) -> ([(HeaderName, &'static str); 1], String) {
    let Service { candidate, key, ttl, metrics } = service;
    let status = candidate.status();
    let gauges = [
        ("lessor_leading", candidate.is_leader()),
        (recorder::LIVE, status.is_live(ttl)),
        (recorder::READY, status.is_ready(ttl)),
    ];
    for (name, value) in gauges {
        metrics::gauge!(name, "key" => key.to_string()).set(u8::from(value));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
}

async fn live(State(service): State<Service>) -> StatusCode {
    answer(service.candidate.status().is_live(service.ttl))
}

async fn ready(State(service): State<Service>) -> StatusCode {
    answer(service.candidate.status().is_ready(service.ttl))
}

fn answer(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// What only the leader does; dropped when its term ends.
async fn work(leadership: Leadership) -> Then {
    let resource = Fence::new();
    loop {
        if !write(&resource, leadership.term()) {
            metrics::counter!(recorder::OUTDATED, "key" => leadership.key().to_string()).increment(1);
            return Then::Resign;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Stands for a write to your database, which keeps the newest term beside its data. Whether the term was admitted: a
/// refusal is counted, since it means that this process was frozen while another led.
fn write(resource: &Fence, term: Term) -> bool {
    resource.admit(term).is_ok()
}
