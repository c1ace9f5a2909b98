//! Leader election over any shared storage.
//!
//! Of many copies of a program, for each [`Key`] at most one leads at a time. A [`Candidate`] campaigns over a
//! [`Storage`], knows by itself when it must stop, and hands out a fencing [`Term`] with every grant. Nothing here
//! needs a runtime: a [`Driver`] is a future, and the clock and sleep are injected as a [`Timer`].
//!
//! ```
//! use lessor::{Builder, MemoryStorage};
//!
//! # smol::block_on(async {
//! let (candidate, driver) = Builder::new("nightly-report").id("node-a").build(MemoryStorage::new())?;
//! smol::spawn(driver.run()).detach();
//!
//! let leadership = candidate.elected().await?;
//! // Dropped when the term ends. Send the term along with every write.
//! let report = leadership.run(async { format!("report of term {}", leadership.term()) }).await?;
//! assert_eq!(report, "report of term 1");
//!
//! // Lets the work of the term end and releases: the next candidate leads at once.
//! candidate.shutdown().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # How it works
//!
//! The storage keeps one [`Record`] a key and judges every claim and renewal by its own clock; durations travel,
//! never dates. A grant lasts for its ttl from when the storage applied it, so a leader that counts the same ttl,
//! less a margin, from *before* it sent the request stops first. [`Candidate::is_leader`] compares that deadline with
//! the clock at every call: no message, no executor and no driver is needed for a leadership to end.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | key | names one election |
//! | candidate | one incarnation of a participant: a human-readable id, and a [`Session`] that proves ownership and is shown to nobody |
//! | lease | what others may see of a key: holder, term, version, ttl, time left, value |
//! | record | the storage's own row for a key: the lease and the session |
//! | term | grows at each grant for a key and outlives release and expiry: the fencing token |
//! | claim, grant | a candidate asks for the key; the storage gives it |
//! | reign | from a grant until the leader stops; the term is its number |
//! | jeopardy | a renewal has failed, and the reign still has time left |
//! | hand-over | the end of a reign that is asked for: its work ends (it *drains*), then the lease is released |
//! | version | moves at every grant, renewal and release |
//! | ttl | how long a grant or a renewal lasts, by the storage's clock |
//! | deadline | when the leader stops calling itself leader, by its own clock |
//! | renew interval, retry interval | a leader's pause between renewals, a follower's between claims |
//! | step | of a driver: do what is due now, then say when to come back. (A clock that steps is one that was set; an *atomic* step is one operation of a storage) |
//! | driver | the future that steps a candidate for ever |
//! | timer | the injected clock and sleep |
//!
//! # The guide
//!
//! [`guide`] has a page each on [concepts](guide::concepts), [choosing the ttl](guide::timing), [fencing](guide::fencing),
//! [shutting down](guide::shutdown), [testing a failover](guide::testing), [observing](guide::observing),
//! [trouble](guide::trouble), [writing a storage](guide::storage), [a timer](guide::timer), and [the edge](guide::edge).
//!
//! # In operation
//!
//! Features `tracing` and `metrics` give a log and figures, which [`report`] lists. [`Status`] says what a liveness probe and
//! a readiness probe ask.
//!
//! # Reading the source
//!
//! In this order, each file uses only earlier ones: `lock` and `send` (small foundations), `lease`, `config`, `time`,
//! `ticket`, `record`, `storage` (the seam; `wakeups` and `memory` are enough at first), `election` (the candidate's half
//! of the protocol, without I/O; in it `io`, `status`, `pace`, `request`, `follow`, `lead`, `end`), `published`,
//! `events`, `shared` (what passes between driver and handles), `report` (log and figures), `driver`, `leadership`,
//! `candidate`, `observer`, `builder`; `fence` needs only `lease` and `lock`; `serde` and `wire` say how the vocabulary
//! and the requests are written down. The other storages, and `guide`, can be read in any order.
//!
//! One flow, no back and forth: time and replies go into [`Election`]; requests and events come out; the driver
//! carries requests to the storage and replies back; handles read what the driver published.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic, and asks for no more than it needs.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]

extern crate alloc;
#[cfg(any(feature = "std", test, all(feature = "js", target_family = "wasm", target_os = "unknown")))]
extern crate std;

mod builder;
mod candidate;
mod config;
mod driver;
mod election;
mod events;
mod fence;
#[cfg(any(doc, doctest))]
pub mod guide;
mod leadership;
mod lease;
mod lock;
mod observer;
mod published;
mod record;
pub mod report;
mod send;
#[cfg(feature = "serde")]
mod serde;
mod shared;
pub mod storage;
mod ticket;
pub mod time;
#[cfg(feature = "wire")]
pub mod wire;

pub use async_trait::async_trait;

pub use builder::{BuildError, Builder};
pub use candidate::{Candidate, Stopped};
pub use config::{Config, ConfigError, JITTER, MAX_DURATION, MIN_TTL};
pub use driver::{Driver, Step};
pub use election::{Election, Event, Input, LostReason, Operation, Output, Reply, Request, RequestId, Role, Status};
pub use events::Events;
pub use fence::{Fence, Stale};
pub use leadership::{Guard, Leadership, Lost};
pub use lease::{Holder, InvalidText, Key, Lease, Session, Term, Value, Version};
pub use observer::Observer;
pub use record::{Acquired, Claim, Record, Renewed, Takeover, Verdict};
pub use send::{MaybeSend, MaybeSendSync};
#[cfg(feature = "http")]
pub use storage::http::HttpStorage;
#[cfg(feature = "mysql")]
pub use storage::mysql::MySqlStorage;
#[cfg(feature = "postgres")]
pub use storage::postgres::PostgresStorage;
#[cfg(feature = "redis")]
pub use storage::redis::RedisStorage;
#[cfg(feature = "sqlite")]
pub use storage::sqlite::SqliteStorage;
pub use storage::{ErrorKind, MemoryStorage, Storage, StorageError, Topics, Wakeups};
pub use ticket::Ticket;
#[cfg(all(feature = "js", target_family = "wasm", target_os = "unknown"))]
pub use time::JsTimer;
#[cfg(feature = "system")]
pub use time::SystemTimer;
#[cfg(feature = "tokio")]
pub use time::TokioTimer;
pub use time::{DefaultTimer, Instant, ManualTimer, Timer};

/// The README's code compiles and runs.
#[cfg(all(doctest, feature = "system", feature = "sqlite"))]
#[doc = include_str!("../README.md")]
mod readme {}
