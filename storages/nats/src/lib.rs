//! Leases in a key-value bucket of NATS JetStream: a storage for [lessor], for processes anywhere that reach the same servers.
//!
//! [`NatsStorage`] keeps one message for each key in a bucket, and has a connection of its own:
//!
//! ```no_run
//! use lessor::{Builder, Storage};
//! use lessor_nats::NatsStorage;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = NatsStorage::builder()
//!     .replicas(3)?
//!     .build(["nats://app:password@nats-1", "nats://app:password@nats-2", "nats://app:password@nats-3"])?;
//! storage.migrate().await?; // creates the bucket, unless it is there
//! storage.check().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! It works under every executor: what the client, [`async_nats`], needs of tokio runs on one thread, `lessor-tokio`, of
//! [`lessor_kit::runtime`], which it shares with the process's storages on etcd and object stores. NATS 2.10.23 or later, tested with 2.15:
//! [`check`](lessor::Storage::check) refuses older ones.
//!
//! # What survives
//! NATS acknowledges a write when the servers that keep the bucket *have* it, and flushes it to their disks later: every two minutes, unless
//! it is told otherwise. So much is safe:
//!
//! | | one server | three replicas |
//! |---|---|---|
//! | a server's process is killed, or restarted | leases go on when it is back: what it acknowledged is with the system | leases go on |
//! | one machine loses power, or its disk | **what was acknowledged in the last two minutes may be gone**, or all of it | leases go on; but see below |
//! | several machines lose power at once | | **what was acknowledged in the last two minutes may be gone** |
//! | the same, with `sync_interval: always` | nothing is lost | nothing is lost |
//! | a restore from a backup | terms go back | terms go back |
//!
//! Where acknowledged writes are gone, a term may be given twice, to two who lead at the same time: neither this storage nor the fence
//! notices. Where machines may lose power together, or there is only one, set this in the configuration of the servers. A renewal then
//! takes a flush of the disk. No client can see how it is set, so [`check`](lessor::Storage::check) does not look at it.
//!
//! ```text
//! jetstream { sync_interval: always }
//! ```
//!
//! [Jepsen](https://jepsen.io/analyses/nats-2.12.1) tested NATS 2.12.1 with three and five replicas in December 2025. It lost acknowledged
//! writes, for good on some servers and not on others, after a power failure of several, or of one together with a pause or a
//! partition; and when files of a minority were damaged, which `sync_interval` does not help against. Killed processes lost nothing (before
//! 2.10.23 they did: `check` refuses a server that is older). If a term must never be given twice, whatever happens to disks, take a database or etcd,
//! which flush before they acknowledge.
//!
//! Delete nothing in the bucket while candidates run. A key that was deleted (`nats kv del`) is free, and its terms begin again
//! at 1; so they do when the bucket is deleted and created again.
//!
//! # The bucket
//! [`migrate`](NatsStorage::migrate) creates it as the program `nats` would (`nats kv add lessor --replicas 3`), and one that was created
//! like that is as good. [`check`](lessor::Storage::check) and `migrate` refuse a stream that forgets rows or takes none: `storage`
//! memory, `max_age`, a limit with which the oldest are discarded, `retention` other than limits, a mirror, sources, a transform of its
//! subjects, `no_ack`, `persist_mode` async, and what else keeps leases from being written. A history longer than 1 is harmless, and so is
//! a limit that refuses what is new. In a cluster take three replicas: with one, nobody leads while the one server that has it is away.
//!
//! # Time
//! No clock of NATS judges, and no wall clock: whoever has seen a lease stand still for its whole ttl, on its own monotonic clock, ends it by
//! a write on the condition that it still stands there ([registers](lessor::storage::registers)). Clocks may be set as one likes; that
//! their rates differ is what the [margin](lessor::Config::margin) is for. Who has never looked at a key waits for a whole ttl from its
//! first look before it takes over from a leader that is gone.
//!
//! # What it sends
//! A key is one message of the bucket's stream: its name is escaped (`$KV.lessor.jobs=2Fnightly`), its number in the stream is the revision.
//!
//! | | messages |
//! |---|---|
//! | a renewal, a release | one write, on the condition that the last message of the key is the one that was seen (`Nats-Expected-Last-Subject-Sequence`), acknowledged |
//! | a poll, a look | one request, to the leader of the stream (`STREAM.MSG.GET`): never to any replica, which may be behind |
//! | a poll of a key that is watched | none |
//! | a grant | a write, and a request where the key was not seen before |
//! | a batch | as many, up to 128 under way at a time |
//! | a list | a request for all names of the bucket (100,000 at a time), and one for each row of the page: for people, not for a loop |
//!
//! A leader of the stream that is cut off from the others goes on answering reads for some seconds, until it notices. What it answers may be
//! old then, which costs time and never safety, since all that is granted is a write, and it can do none. What this process itself wrote
//! less than a minute ago it does not accept to be told older. So after a bucket was deleted and created again, a process that wrote to
//! it says for a minute that the server is behind.
//!
//! No write is sent a second time whose outcome is open. One that arrives late finds that its condition holds or does not: it is the same as
//! one that was judged late. A read that is not answered within a second is asked again: a server says nothing while the one that would
//! answer is being chosen. There is no timeout here: the candidate's [request timeout](lessor::Config::request_timeout)
//! decides. A connection that breaks ends at once what waits on it; one that is silent until somebody gives up is left for the next server.
//!
//! All who wait for a connection share the attempt, which goes on when they give up; then the next server is tried beside it. Each
//! server may take its share of 10 s, and 2 s at least. A failure is shared, too: it is told to all who ask in a pause of 50 ms to 1 s,
//! 1 s where somebody has to change something first.
//!
//! In a cluster NATS takes four to nine seconds to miss the server that leads a stream, and during that nobody can renew: leases shorter than
//! about 15 s are lost then, and somebody leads again when there is another one.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or ended. One consumer of the stream tells of all writes of the bucket, whoever
//! follows what: from the first [`subscribe`](lessor::Storage::subscribe) on, as long as anybody follows. (So a process hears every renewal
//! in the bucket, some 500 bytes each: give crowds of keys that have nothing to do with each other buckets of their own.) It is ephemeral, in memory, and
//! made anew when it is lost: with its connection, or when its heartbeat, every 2 s, is missing for 5 s. They are
//! [complete](lessor::Wakeups::complete), so the default [retry interval](lessor::Config::retry_interval) is the ttl.
//!
//! # Rights
//! A user needs to publish to these, and to subscribe to `_INBOX.>` (or what
//! [`custom_inbox_prefix`](async_nats::ConnectOptions::custom_inbox_prefix) says):
//!
//! | subject | for |
//! |---|---|
//! | `$KV.lessor.>` | writes |
//! | `$JS.API.STREAM.MSG.GET.KV_lessor` | reads |
//! | `$JS.API.STREAM.INFO.KV_lessor` | `check`, `migrate`, lists |
//! | `$JS.API.CONSUMER.CREATE.KV_lessor.*`, `$JS.API.CONSUMER.DELETE.KV_lessor.*` | wake-ups; without them followers ask at their retry interval |
//! | `$JS.API.STREAM.CREATE.KV_lessor` | `migrate`, where it has to create the bucket |
//!
//! In another [domain](NatsBuilder::domain) `$JS.DOMAIN.API.` stands in the place of `$JS.API.`, and writes go to `$JS.DOMAIN.API.$KV.lessor.>`.
//!
//! A password or a token may stand in the address, or in [`ConnectOptions`](async_nats::ConnectOptions). Keys and credentials files
//! (`nkey`, `credentials_file`) need feature `nkeys`.
//!
//! # TLS
//! It is always compiled in, by rustls with ring, and used where the server asks for it; with `tls://` in the address, or
//! [`require_tls`](async_nats::ConnectOptions::require_tls), there is no connection without it. It trusts the system's root certificates, and
//! those that are [added](async_nats::ConnectOptions::add_root_certificates).
//!
//! # Fencing
//! What a leader writes to NATS itself can be refused when a later term has written: each message says in which term it was written, and takes
//! the place of the very one that was looked at.
//!
//! ```no_run
//! use async_nats::HeaderMap;
//! use async_nats::jetstream::context::PublishErrorKind;
//! use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
//! use async_nats::jetstream::{self, Context};
//! use lessor::Term;
//!
//! /// Writes, unless a later term has written. Answers whether it was written.
//! async fn fenced_put(
//!     context: &Context, stream: &Stream, subject: &str, value: &str, term: Term,
//! ) -> Result<bool, async_nats::Error> {
//!     loop {
//!         let last = match stream.get_last_raw_message_by_subject(subject).await {
//!             Ok(message) => Some(message),
//!             Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => None,
//!             Err(error) => return Err(error.into()),
//!         };
//!         let written = |last: &jetstream::message::StreamMessage| last.headers.get("Lessor-Term")?.as_str().parse().ok();
//!         if last.as_ref().and_then(written).unwrap_or(0) > term.get() {
//!             return Ok(false);
//!         }
//!         let mut headers = HeaderMap::new();
//!         headers.insert("Lessor-Term", term.to_string());
//!         // If it is still the last one. 0: if there is none.
//!         let sequence = last.map_or(0, |last| last.sequence);
//!         headers.insert("Nats-Expected-Last-Subject-Sequence", sequence.to_string());
//!         let sent = context.publish_with_headers(subject.to_owned(), headers, value.to_owned().into()).await?;
//!         match sent.await {
//!             Ok(_) => return Ok(true),
//!             // Somebody was faster: look again.
//!             Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//! }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod bucket;
mod builder;
mod connection;
mod error;
mod layout;
mod link;
mod registers;
mod servers;
mod setup;
mod storage;
mod version;
mod watch;
mod written;

pub use async_nats;
pub use builder::NatsBuilder;
pub use lessor_kit::error::AdapterError;
pub use storage::NatsStorage;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
