//! Leader election over any shared storage.
//!
//! Of many copies of a program, for each [`Key`] at most one leads at a time. A [`Candidate`] campaigns over a
//! [`Storage`], knows by itself when it must stop, and hands out a fencing [`Term`] with every grant. Nothing here
//! needs a runtime: a [`Driver`] is a future, and the clock and sleep are injected as a [`Timer`].
//!
//! ```
//! use lessor::{Builder, MemoryStorage, Then};
//!
//! # smol::block_on(async {
//! let (candidate, driver) = Builder::new("nightly-report").id("node-a").build(MemoryStorage::new())?;
//! smol::spawn(driver.run()).detach();
//!
//! candidate
//!     .lead(async |leadership| {
//!         // Dropped when the term ends. Send the term along with every write.
//!         println!("report of term {}", leadership.term());
//!         Then::Stop // Ends the term and releases the lease: the next candidate leads at once.
//!     })
//!     .await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # How it works
//!
//! The storage keeps one [`Record`](storage::Record) per key and judges every claim and renewal by its own clock; durations travel,
//! never dates. A grant lasts for its ttl from when the storage applied it, so a leader that counts the same ttl,
//! less a margin, from *before* it sent the request stops first. [`Candidate::is_leader`] compares that deadline with
//! the clock at every call: no message, no executor and no driver is needed for a leadership to end.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | key | names one election |
//! | candidate | one participant in the election for a key, from when it is built until it stops |
//! | ticket, instance | what carries a session from one life of a candidate (an instance) to the next |
//! | id | what people call a candidate; it proves nothing |
//! | session | 128 secret bits under which a candidate holds a lease: drawn at its start, and drawn anew before each release after which the candidate goes on; shown to nobody |
//! | handle | what a user has of a candidate or an observer, and what keeps it going: `Candidate`, `Leadership`, `Guard`, `Observer` |
//! | work | what is done while a candidate leads |
//! | wish | what a handle asks of its driver: a value, a hand-over, the end |
//! | storage | what all candidates of a key share; it keeps one record per key |
//! | adapter | the code that makes an engine (a database, a service) a storage |
//! | request, reply | what is asked of a storage, and what it answers |
//! | record | the storage's own row for a key: the lease and the session |
//! | lease | what others may see of a key: id, term, version, ttl, time left, age, value |
//! | term | grows at each grant and each revoke for a key and outlives release and expiry: the fencing token |
//! | version | moves at every write: grant, renewal, release, revoke |
//! | claim, grant | a candidate asks for the key; the storage gives it |
//! | renewal, release | a leader asks for more time; it gives the lease back |
//! | successor, reserved | whom a release names; until its time is over the key is granted to no other |
//! | revoke | an operator takes the lease from its holder |
//! | take-over | a grant of a lease that another held and that has expired |
//! | reign | from a grant until the leader stops; the term is its number, and "the term ends" is short for "its reign ends" |
//! | jeopardy | a renewal has failed, or did not come in time |
//! | hold | to be the one to whom the lease was granted last, and not released or revoked since: an expired lease is still held |
//! | live | held, and not expired by the storage's clock |
//! | guard | keeps the release of an ending reign waiting for work |
//! | resign, shut down | ask for a hand-over: for a while (the *cool-off*), or for good |
//! | hand-over | the end of a reign that is asked for: its guarded work ends (it *drains*), then the lease is released |
//! | transfer | a hand-over to a named candidate, its successor |
//! | wake-up | the storage's hint that asking now is worth it |
//! | ttl | how long a grant or a renewal lasts, by the storage's clock |
//! | deadline | when the leader stops calling itself leader, by its own clock |
//! | renew interval, retry interval | from one renewal of a leader to the next, from one claim of a follower to the next |
//! | step | of a driver: do what is due now, then say when to come back. (A clock that steps is one that was set; an *atomic* step is one request to a storage) |
//! | driver | the future that steps a candidate until it stops |
//! | group | many candidates of one process under one driver |
//! | spread | processes whose groups share their keys |
//! | slot | one of the places of a key that as many candidates may lead at once, each with a key, term and fence of its own |
//! | rank | how many others are preferred to a candidate when a key is free; it sets its *claim delay* |
//! | timer | the injected clock and sleep |
//!
//! # Storages
//!
//! [`MemoryStorage`] is here. Each engine is a crate of its own, so that you compile and lock only what you use:
//!
//! | crate | storage | for |
//! |---|---|---|
//! | `lessor-sqlite` | `SqliteStorage` | processes of one machine, over a file |
//! | `lessor-postgres` | `PostgresStorage` | a PostgreSQL database, on two connections for all keys |
//! | `lessor-mysql` | `MySqlStorage` | a MySQL or MariaDB database, on two connections for all keys |
//! | `lessor-redis` | `RedisStorage` | a Redis server, through your own redis-rs client |
//! | `lessor-etcd` | `EtcdStorage` | an etcd cluster, on one connection for all keys |
//! | `lessor-nats` | `NatsStorage` | a bucket of NATS JetStream, one server or a cluster |
//! | `lessor-http` | `HttpStorage` | a lease service over HTTP: `lessor serve` over any storage, or Cloudflare's Durable Objects |
//! | `lessor-objects` | `ObjectStorage` | an object store: S3, R2, Google, Azure |
//! | `lessor-any` | any of the others, by its URL | programs that leave the choice to whoever runs them |
//!
//! [The guide](guide::storages) compares them, and says [how to write one](guide::writing_a_storage).
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `std` | yes | locks of the standard library; without it the crate is `no_std` with `alloc` |
//! | `system` | yes | `SystemTimer`, randomness, uuids: `Builder::build` |
//! | `js` | | `JsTimer`, randomness, uuids: `Builder::build` in browsers and Node (`wasm32-unknown-unknown`; elsewhere nothing) |
//! | `tokio` | | `TokioTimer`, which follows tokio's paused time |
//! | `tracing` | | spans and events for an operator's log ([telemetry](guide::telemetry)) |
//! | `metrics` | | gauges, counters and histograms through the `metrics` facade ([telemetry](guide::telemetry)) |
//! | `serde` | | `Serialize` and `Deserialize` for keys, ids, values, terms, versions and leases |
//! | `conformance` | | the contract of a storage as a test suite |
//!
//! # Examples
//!
//! The repository's `examples/` is a package of its own.
//!
//! | `cargo run --example` | shows |
//! |---|---|
//! | `failover` | three processes share a file; the leader is killed, resigns, is frozen; nobody's stale write gets through |
//! | `smol`, `async_std`, `tokio` | a hand-over, an aborted driver, a graceful end at Ctrl-C |
//! | `web_service`, `scheduler`, `cli`, `sidecar`, `many_keys` | programs that people write with a leader election |
//! | `observed` | what operators see: metrics, alerts, a dashboard, probes, a manifest |
//! | `ten_thousand_keys` | three processes share them, one is killed and comes back: a live picture |
//! | `postgres`, `mysql`, `redis`, `etcd`, `nats` | any number of processes; the database refuses stale writes |
//! | `kubernetes`, `dynamodb` | storages of one's own over what can compare and swap: a Lease, a table |
//! | `fenced_write`, `testing_failover` | a paused leader's write is refused; a service's failover in virtual time |
//! | `slots` | two of five workers at once, each fenced by its slot |
//! | `custom_timer`, `no_async`, `embedded` | without a runtime, without futures, without an operating system |
//!
//! # The guide
//!
//! [`guide`] has a page each on [concepts](guide::concepts), [storages](guide::storages), [choosing the ttl](guide::timing), [work](guide::work),
//! [many keys](guide::many_keys), [fencing](guide::fencing), [shutting down](guide::shutdown), [testing a failover](guide::testing),
//! [observing](guide::observing), [trouble](guide::trouble), [writing a storage](guide::writing_a_storage), [a timer](guide::writing_a_timer),
//! [the edge](guide::edge), [the rules](guide::rules) that are kept, [what is proved](guide::proved) of them and [how they are
//! tested](guide::tested), [costs](guide::costs), and [other systems](guide::compared). Features `tracing` and `metrics` give a log and
//! metrics, which [a page](guide::telemetry) lists; [`Status`] says what a liveness probe and a readiness probe ask.
//!
//! # Reading the source
//!
//! In this order each of these modules uses only earlier ones: `debug`, `mutex`, `maybe_send`, `entropy` and `listening` (small foundations); `text`, `term`
//! and `lease` (the vocabulary); `config`; `profile` (id and configuration, which many candidates share); `slots`; `time` and its timers;
//! `storage` (the seam); `ticket`; `election` (the candidate's
//! half of the protocol, without I/O); `deadline`, `shared_reign`, `stopped`, `events`, `shared` (what passes between driver
//! and handles); `telemetry` (log and metrics); `candidacy` (the part of a driver that does not wait), `driver`; `leadership`, `candidate`, `weak`, `lead`, `observer`, `builder`;
//! `spread` (who is to lead which key), `group` (many candidates under one driver). `fence` needs only
//! `mutex` and `term`; `serde` says how the vocabulary is written down; `storage::conformance` and `guide` can be read in any
//! order.
//!
//! Within `storage`: the trait in `storage.rs`, then `session`, `list`, `request`, `reply`, `record` (the storage's half of the
//! protocol), `written` (as bytes), `error`, `ext`, `batch`, `topic`, `wakeups`, `subscribers`, `refusals`, `memory`, `registers` (any store that can compare and
//! swap: `seen`, `step`, `rounds`, `watch`, `store`). Within `election`: the state in `election.rs`, then
//! `messages`, `outbox`, `phase`, `status`, `pace`, `begin`, `request` (one at a time, and what comes of it), `slots` (which of them), `follow`, `lead`,
//! `end`.
//!
//! One flow, no back and forth: time and replies go into [`Election`](election::Election); requests and events come out;
//! the driver carries requests to the storage and replies back; handles read what the driver published.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic, and asks for no more than it needs.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]

extern crate alloc;
#[cfg(any(feature = "std", test, all(feature = "js", target_family = "wasm", target_os = "unknown")))]
extern crate std;

#[cfg(all(feature = "system", not(feature = "js"), target_family = "wasm", target_os = "unknown"))]
compile_error!(
    "lessor's feature `system` needs an operating system, and this target has none: take `js` instead where there is JavaScript, or neither, \
     with a timer and randomness of your own (default-features = false)"
);

mod builder;
mod candidacy;
mod candidate;
mod config;
mod deadline;
mod debug;
mod driver;
pub mod election;
mod entropy;
mod events;
mod fence;
mod group;
#[cfg(any(doc, doctest))]
pub mod guide;
mod lead;
mod leadership;
mod lease;
mod listening;
mod maybe_send;
mod mutex;
mod observer;
mod profile;
#[cfg(feature = "serde")]
mod serde;
mod shared;
mod shared_reign;
mod slots;
mod spread;
mod stopped;
pub mod storage;
mod telemetry;
mod term;
mod text;
mod ticket;
pub mod time;
mod weak;

pub use async_trait::async_trait;

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
pub use builder::system_entropy;
pub use builder::{BuildError, Builder};
pub use candidate::Candidate;
pub use config::{Config, ConfigError};
pub use driver::{Driver, Step};
pub use election::{Event, LostReason, Role, Status};
pub use events::Events;
pub use fence::{Fence, Stale};
pub use group::{Group, GroupBuilder, GroupDriver, GroupEvent, GroupEvents, GroupStatus, GroupStep, Reigns, WeakGroup};
pub use lead::Then;
pub use leadership::{CheckError, Guard, Leadership, Lost};
pub use lease::Lease;
pub use observer::Observer;
pub use slots::InvalidSlots;
pub use spread::Spread;
pub use stopped::{Abandoned, Stopped};
pub use storage::{MemoryStorage, Storage, StorageError, StorageExt, Wakeups};
pub use term::{InvalidTerm, Term};
pub use text::{Id, InvalidText, Key, Value};
pub use ticket::Ticket;
#[cfg(all(feature = "js", target_family = "wasm", target_os = "unknown"))]
pub use time::JsTimer;
#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
pub use time::SystemTimer;
#[cfg(feature = "tokio")]
pub use time::TokioTimer;
pub use time::{Instant, ManualTimer, Timer};
pub use weak::WeakCandidate;
