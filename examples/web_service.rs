//! A web service: any number of copies answer, and one leads. It says who leads, has health probes, and ends
//! gracefully. On tokio and axum.
//!
//! `cargo run --features web --example web_service -- 8001`, and in another terminal `.. -- 8002`. Without a port it
//! takes a free one. They share `leases.db` in the current folder, or what the URL in `LESSOR_STORAGE` names (see
//! `lessor_any::open`; an engine other than SQLite needs its feature: `--features web,postgres`, say).
//!
//! * `curl localhost:8001` says who leads, in which term and where; each copy answers that.
//! * `/health/live` and `/health/ready` answer 200 or 503. Followers are ready too.
//! * End the leader with Ctrl-C or SIGTERM: the other one leads at once. Kill it: after the ttl, 10 s.

use std::env;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures::channel::oneshot;
use lessor::{Builder, Leadership, Then, WeakCandidate};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// What requests are answered from. The handle keeps nobody leading: if the work dies, another process leads.
#[derive(Clone)]
struct Service {
    candidate: WeakCandidate,
    ttl: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).unwrap_or_else(|| "0".into());
    let port: u16 = port.parse().map_err(|_| format!("the port is {port:?}, allowed is a number from 0 to 65535"))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    // Ctrl-C and SIGTERM.
    ctrlc::set_handler(move || drop(stop.take()))?;

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let storage = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
    let storage = lessor_any::open(&storage).await?;
    let (candidate, driver) = Builder::new("web-service").id(&url).value(&url).build(storage)?;
    let service = Service { candidate: candidate.downgrade(), ttl: driver.config().ttl };
    let routes = Router::new()
        .route("/", get(leader))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(service);

    println!("serves at {url}");
    let worker = tokio::spawn(async move { candidate.lead(work).await });
    let driver = tokio::spawn(driver.run_until(stopped));
    // First hands over, and answers meanwhile; then takes no more requests, and ends when the last one is answered. So it does
    // when the work panics, and then fails with that.
    axum::serve(listener, routes).with_graceful_shutdown(async { drop(driver.await) }).await?;
    worker.await??;
    println!("has handed over and ended");
    Ok(())
}

async fn leader(State(service): State<Service>) -> String {
    match service.candidate.leader() {
        Some(lease) => {
            format!("{} leads in term {}\n", lease.value.as_ref().map_or("somebody", |url| url.as_str()), lease.term)
        }
        None => "nobody leads, as far as is known\n".into(),
    }
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
    println!("leads in term {}", leadership.term());
    loop {
        sleep(Duration::from_secs(1)).await;
    }
}
