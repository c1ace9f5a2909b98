//! What an operator sees: a log (feature `tracing`) and figures (feature `metrics`).
//!
//! Both tell what a [`Driver`](crate::Driver) did, after it was published to the handles: nothing is decided here, and
//! a slow subscriber keeps no answer true beyond its deadline. Neither ever shows a session or a value. Errors are
//! shown as the storage words them. Health checks ask [`Status`](crate::Status).
//!
//! # The log
//!
//! Events and spans have the target `lessor`, the fields `key` and `id` (an observer has no id), and `term` where there
//! is one. Steady renewals and a waiting follower write nothing above `TRACE`.
//!
//! | level | message | further fields |
//! |---|---|---|
//! | INFO | `elected` | `time_left` |
//! | INFO | `handing over` | |
//! | INFO | `the term has ended` | `reason`: `resigned`, `stopped` |
//! | WARN | `the term was lost` | `reason`: `expired`, `superseded`, `failures`, `driver_dropped` |
//! | WARN | `renewals fail` | `time_left` until the term ends |
//! | WARN, ERROR | `the storage fails` | `operation`, `error`: ERROR if somebody has to change something first |
//! | INFO | `the storage answers again` | `failures`, `lasted`: from the first of them to the last |
//! | INFO | `stopped`, `the driver was dropped` | |
//! | DEBUG | `leader changed` | `leader` |
//! | DEBUG | `the term has ended`, `the session is left as a ticket` | `reason`: `driver_dropped`, of the first |
//! | DEBUG | `the storage still fails` | `operation`, `error`, `failures` |
//! | TRACE | `request` | `operation`, `outcome`, `elapsed` |
//!
//! A storage that is down for an hour writes a handful of lines, one that fails every other request no more: an outage
//! begins with the first failure and is over when the storage has answered for a ttl without another. Of all its
//! failures the first is told, and the first permanent one; `the storage answers again` says how many there were.
//! `renewals fail` is told once in a term and outage. What is left out is there at DEBUG.
//!
//! Around each storage operation is a span at DEBUG: `lessor.acquire`, `lessor.renew`, `lessor.release` or
//! `lessor.get`, with the `outcome` once there is one. It is entered whenever the operation is polled, so that what the
//! storage itself has to say belongs to it. It lies within the span in which the driver runs.
//!
//! # The figures
//!
//! Under the names of the `metrics` facade, whose recorder is yours. Durations are in seconds.
//!
//! | name | kind | labels | what it is |
//! |---|---|---|---|
//! | `lessor_leading` | gauge | `key` | 1 while this process [leads](crate::Candidate::is_leader), else 0 |
//! | `lessor_term` | gauge | `key` | the newest term that was seen to lead, one's own or another's |
//! | `lessor_leader_changes_total` | counter | `key` | how often another term than before was seen to lead |
//! | `lessor_terms_started_total` | counter | `key` | terms that began here |
//! | `lessor_terms_ended_total` | counter | `key`, `reason` | terms that ended here; reasons as in the log |
//! | `lessor_request_seconds` | histogram | `key`, `operation`, `outcome` | how long a request to the storage took |
//! | `lessor_renewal_time_left_seconds` | histogram | `key` | how far ahead the deadline was when a renewal got through |
//! | `lessor_late_reply_seconds` | histogram | `key` | by how much a grant or renewal came after what it gave had ended |
//! | `lessor_failures_total` | counter | `key`, `kind` | requests that failed; `transient` (timeouts too) or `permanent` |
//!
//! `operation` is `acquire`, `renew`, `release` or `get`. `outcome` is `granted`, `held`, `extended`, `lost`,
//! `released`, `got`, `transient`, `permanent`, or `unanswered`: not waited for any more, mostly for the request timeout.
//!
//! `lessor_renewal_time_left_seconds` is the room that was left: where its low end nears zero, leadership is about to be
//! lost. `lessor_late_reply_seconds` counts what counting from the reply would have cost: each entry is a time in which
//! another could have led as well. It comes from drivers that stand still, and is empty else.
//!
//! The id is no label: by default it is another one after each start, and every start would leave its series behind. The
//! recorder knows the process. So one process should have one candidate for a key; of several, the counters add up.
//! As many keys as a process has, so many series; a layer of the recorder may drop the label.
//!
//! A gauge is pushed. `lessor_leading` falls to 0 when a hand-over begins, when the term ends, and when the driver is
//! dropped; but **a driver that stands still pushes nothing**, and its last 1 stays while
//! [`is_leader`](crate::Candidate::is_leader) already says no. Where that matters, set it when the figures are
//! collected:
//!
//! ```
//! # #[cfg(feature = "metrics")] {
//! # use lessor::{Builder, ManualTimer, MemoryStorage};
//! # let (candidate, _driver) = Builder::new("nightly-report").build_with(MemoryStorage::new(), ManualTimer::new(), || 7).unwrap();
//! metrics::gauge!("lessor_leading", "key" => "nightly-report").set(u8::from(candidate.is_leader()));
//! # }
//! ```
//!
//! An alert for it: [`Status::is_live`](crate::Status::is_live).
//!
//! The names are described, and the gauge of leading and the counters set up, when a driver first runs: install the
//! recorder before.

#[cfg(any(feature = "tracing", feature = "metrics"))]
mod live;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
mod silent;
#[cfg(feature = "tracing")]
mod trace;

#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) use live::Report;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
pub(crate) use silent::Report;
