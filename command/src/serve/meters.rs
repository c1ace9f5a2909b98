//! What is measured, in the text format of Prometheus.

use std::time::Duration;

use lessor::storage::ErrorKind;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

const BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// From here on it is measured: whoever reads it takes the handle.
pub(crate) fn start() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    describe_counter!(
        "lessor_requests_total",
        "Requests over HTTP, by what they asked for and the status of the answer"
    );
    describe_histogram!("lessor_request_seconds", Unit::Seconds, "From a request's head to its answer");
    describe_histogram!("lessor_storage_seconds", Unit::Seconds, "How long the storage takes to answer");
    describe_counter!("lessor_storage_errors_total", "Requests that the storage failed at, by kind");
    describe_gauge!("lessor_connections", "Connections that are open");
    describe_gauge!("lessor_sockets", "Sockets that watch");
    describe_counter!("lessor_accept_errors_total", "Connections that could not be accepted, by kind");
    describe_counter!("lessor_log_lines_lost_total", "Lines of the log that nobody read in time");
    describe_counter!("lessor_changes_total", "Changes of hands that were seen");
    describe_counter!("lessor_sockets_closed_total", "Sockets that were closed by the server, by code");
    Ok(handle)
}

pub(crate) fn request(operation: &'static str, status: u16, took: Duration) {
    counter!("lessor_requests_total", "operation" => operation, "status" => status.to_string()).increment(1);
    histogram!("lessor_request_seconds", "operation" => operation).record(took);
}

pub(crate) fn storage(operation: &'static str, took: Duration) {
    histogram!("lessor_storage_seconds", "operation" => operation).record(took);
}

pub(crate) fn storage_failed(kind: ErrorKind) {
    counter!("lessor_storage_errors_total", "kind" => kind.as_str()).increment(1);
}

pub(crate) fn change(word: &'static str) {
    counter!("lessor_changes_total", "change" => word).increment(1);
}

pub(crate) fn socket_closed(code: u16) {
    counter!("lessor_sockets_closed_total", "code" => code.to_string()).increment(1);
}

pub(crate) fn not_accepted(kind: &'static str) {
    counter!("lessor_accept_errors_total", "kind" => kind).increment(1);
}

pub(crate) fn line_lost() {
    counter!("lessor_log_lines_lost_total").increment(1);
}

/// One more, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(&'static str);

impl Open {
    pub(crate) fn connection() -> Self {
        Self::of("lessor_connections")
    }

    pub(crate) fn socket() -> Self {
        Self::of("lessor_sockets")
    }

    fn of(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}
