//! Metrics for Prometheus: those of the library, under its names, and what is true at the moment of the question.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use lessor::WeakCandidate;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::exit::Exit;

/// From a file to a storage that needs longer than its time-out.
const REQUEST: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
/// With the default ttl a renewal in time has about 7 s.
const TIME_LEFT: [f64; 11] = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0];
/// Anything in it is too much.
const LATE: [f64; 6] = [0.1, 1.0, 5.0, 10.0, 60.0, 300.0];

const LEADING: &str = "lessor_leading";
const TIME_LEFT_NOW: &str = "lessor_time_left_seconds";
const LIVE: &str = "lessor_live";
const READY: &str = "lessor_ready";

/// What was recorded piles up until it is put into its buckets: also where nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// It listens, and records.
pub(super) struct Exposed {
    listener: std::net::TcpListener,
    recorded: PrometheusHandle,
}

impl Exposed {
    pub(super) fn listen(address: SocketAddr) -> Result<Self, Exit> {
        let bound = std::net::TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener =
            bound.map_err(|error| Exit::Usage(format!("--metrics is {address}, which cannot be had: {error}")))?;
        let buckets: [(&str, &[f64]); 3] = [
            ("lessor_request_seconds", &REQUEST),
            ("lessor_renewal_time_left_seconds", &TIME_LEFT),
            ("lessor_late_reply_seconds", &LATE),
        ];
        let mut builder = PrometheusBuilder::new();
        for (name, bounds) in buckets {
            builder = builder.set_buckets_for_metric(Matcher::Full(name.into()), bounds).map_err(Exit::failed)?;
        }
        let recorded = builder.install_recorder().map_err(Exit::failed)?;
        describe_gauge!(TIME_LEFT_NOW, "How long this process leads unless it renews; 0 while it does not lead");
        describe_gauge!(LIVE, "1 while the driver is there and steps in time, else 0");
        describe_gauge!(READY, "1 while it is live and the storage answers, else 0");
        Ok(Self { listener, recorded })
    }

    /// For as long as this process runs. A reader that is slow or gone is nobody's loss.
    pub(super) fn serve(self, candidate: WeakCandidate, ttl: Duration) -> Result<(), Exit> {
        let listener = TcpListener::from_std(self.listener).map_err(Exit::failed)?;
        let recorded = self.recorded;
        let upkeep = recorded.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // As many as this process may have open.
                    tokio::time::sleep(UPKEEP).await;
                    continue;
                };
                let (candidate, recorded) = (candidate.clone(), recorded.clone());
                let answers = service_fn(move |request| {
                    let answer = answer(&request, &candidate, ttl, &recorded);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(UPKEEP);
                tokio::spawn(server.serve_connection(TokioIo::new(stream), answers));
            }
        });
        Ok(())
    }
}

fn answer(
    request: &Request<Incoming>,
    candidate: &WeakCandidate,
    ttl: Duration,
    recorded: &PrometheusHandle,
) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return response(StatusCode::NOT_FOUND, CONTENT_TYPE, "text/plain", "there is /metrics\n".into());
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return response(StatusCode::METHOD_NOT_ALLOWED, ALLOW, "GET, HEAD", String::new());
    }
    let status = candidate.status();
    let left = status.deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(status.at));
    // A driver that stands still would leave its last word in the gauge.
    let gauges = [
        (LEADING, f64::from(u8::from(candidate.is_leader()))),
        (TIME_LEFT_NOW, left.as_secs_f64()),
        (LIVE, f64::from(u8::from(status.is_live(ttl)))),
        (READY, f64::from(u8::from(status.is_ready(ttl)))),
    ];
    for (name, value) in gauges {
        gauge!(name, "key" => candidate.key().to_string()).set(value);
    }
    response(StatusCode::OK, CONTENT_TYPE, "text/plain; version=0.0.4", recorded.render())
}

fn response(status: StatusCode, name: HeaderName, value: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
