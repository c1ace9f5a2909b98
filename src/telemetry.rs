//! What an operator sees of a driver: a log (feature `tracing`) and metrics (feature `metrics`).
//!
//! The guide's page `telemetry` is the documentation: tests compare its tables with the code.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod observed;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
mod silent;
#[cfg(feature = "tracing")]
mod trace;
mod work;

#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) use observed::Report;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
pub(crate) use silent::Report;
pub(crate) use work::{Work, driver_stands_still};
