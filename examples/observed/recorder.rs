//! Where the library's metrics go, and what this service adds to them.

use std::error::Error;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) const LIVE: &str = "lessor_live";
pub(crate) const READY: &str = "lessor_ready";
/// Writes of an outdated term that the resource refused.
pub(crate) const OUTDATED: &str = "outdated_writes_total";

/// From a storage in this process to one that needs longer than its request timeout, 2 s.
const REQUEST: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
/// Up to the ttl less the margin, 9 s: no renewal has more left. One in time has about 7 s.
const TIME_LEFT: [f64; 11] = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0];
/// Anything in it is too much.
const LATE: [f64; 6] = [0.1, 1.0, 5.0, 10.0, 60.0, 300.0];

/// Histograms, and not what the exporter makes of them without buckets: its quantiles of one process cannot be added to
/// those of another.
pub(crate) fn install() -> Result<PrometheusHandle, Box<dyn Error>> {
    let buckets: [(&str, &[f64]); 3] = [
        ("lessor_request_seconds", &REQUEST),
        ("lessor_renewal_time_left_seconds", &TIME_LEFT),
        ("lessor_late_reply_seconds", &LATE),
    ];
    let mut builder = PrometheusBuilder::new();
    for (name, bounds) in buckets {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.into()), bounds)?;
    }
    let handle = builder.install_recorder()?;
    metrics::describe_gauge!(LIVE, "1 while the driver is there and steps in time, else 0");
    metrics::describe_gauge!(READY, "1 while it is live and the storage answers, else 0");
    metrics::describe_counter!(OUTDATED, "Writes that the resource refused: their term was outdated");
    // The zero from which it is seen to grow.
    metrics::counter!(OUTDATED, "key" => "observed").increment(0);
    Ok(handle)
}
