//! Leases in an object store: a storage for [lessor], for processes anywhere that reach one bucket.
//!
//! [`ObjectStorage`] keeps one small object for each key, and takes the store of the crate [`object_store`] that your program already
//! has: Amazon S3 and what speaks its protocol (Cloudflare R2, MinIO), Google Cloud Storage, Azure Blob Storage.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use lessor::{Builder, Storage};
//! use lessor_objects::ObjectStorage;
//! use lessor_objects::object_store::aws::AmazonS3Builder;
//!
//! let store = AmazonS3Builder::from_env().with_bucket_name("leases").build()?;
//! let storage = ObjectStorage::new(Arc::new(store));
//! storage.check().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! # Why it is safe
//! The store needs no clock that could judge. A lease is an object that is replaced on the condition that its tag is still the one that
//! was read (`If-Match`; Google's `ifGenerationMatch`), and created on the condition that there is none. Whoever has seen an object
//! stand still for its whole ttl, by its own monotonic clock, may replace just that version: see [`registers`](lessor::storage::registers).
//!
//! A store that takes conditions for decoration would let two lead. So the first write of each storage, and
//! [`check`](lessor::Storage::check), try them on an object of their own, `lessor/=probe`, and refuse such a store with an
//! error. Two answers mean that a condition did not hold: 412, and 409 from S3 where two writes met. Both are read again, and judged
//! anew.
//!
//! # What it costs
//! A renewal is one conditional put, a follower's poll one get; followers ask every fifth of the ttl, since no store tells them. What a
//! leader and one follower cost in a month (30 days), by list prices:
//!
//! | ttl | puts and gets | S3 Standard, Google Standard | R2, beyond what is free |
//! |---|---|---|---|
//! | 10 s | 1.3 million each | 6.5 + 0.5 USD | 5.8 + 0.5 USD |
//! | 30 s | 432,000 each | 2.2 + 0.2 USD | 1.9 + 0.2 USD |
//! | 60 s | 216,000 each | 1.1 + 0.1 USD | 1.0 + 0.1 USD |
//!
//! (5 USD a million puts and 0.4 USD a million gets; R2: 4.5 and 0.36, the first million and ten millions are free.) Each further follower is
//! as many gets. A longer [`renew_interval`](lessor::Builder::renew_interval) or
//! [`retry_interval`](lessor::Builder::retry_interval) costs less, and time: a follower hears of a release when it asks next.
//! Google allows about one write a second to an object: take a ttl of 10 s or more.
//!
//! A list reads the names of all keys, and the objects of its page: it is for people, not for a loop.
//!
//! # Clients
//! This crate has none: add [`object_store`] to your program with the features `aws`, `azure` or `gcp` (with TLS by rustls and aws-lc), or those that
//! it names for other TLS.
//!
//! # Executors
//! It works under every executor: connections are tasks of a thread of the storages' own, `lessor-tokio`, and outlive a runtime of the program's.
//!
//! # Retries
//! Stores of [`object_store`] try again by themselves, ten times within three minutes by default. That is too patient for a
//! candidate, which gives up by itself and asks again: it does no harm to leases, but answers come late, and a revoke whose first
//! answer was lost is told that there was nothing to revoke. `with_retry(RetryConfig { max_retries: 0, ..Default::default() })` is right.
//! (What is read on a connection that failed is read once more on another.)
//!
//! # Errors
//! What a store refuses is [permanent](lessor::storage::ErrorKind::Permanent) where waiting heals nothing, and says what to do: wrong or ended
//! credentials, a missing right, a clock that is off (`RequestTimeTooSkewed`), another region, a bucket that is not there or cannot be. Without
//! `s3:ListBucket` S3 answers `AccessDenied` for an object that is not there yet. What is too much or too early is transient.
//!
//! # Idle connections
//! Clients keep idle connections for 90 s, some stores for a few seconds. A request that is sent while its connection is being closed gets no
//! answer; a candidate asks again after its retry interval. `ClientOptions::new().with_pool_idle_timeout(Duration::from_secs(4))` avoids
//! that, and makes a new connection for each renewal if those are farther apart.
//!
//! # The objects
//! One for each key, called like it; each byte but letters, digits, `_` and `-` is `=` and two hexadecimal digits: `lessor/jobs=2Fnightly`. What is
//! in it is [text](lessor::storage::Record::to_bytes). It has a session in it: who may read it can act for the holder.
//!
//! **Do not delete them**, and let no lifecycle rule expire them: they keep the terms.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod error;
mod name;
mod registers;
mod revision;
mod storage;

pub use lessor_kit::error::AdapterError;
pub use object_store;
pub use storage::{ObjectBuilder, ObjectStorage};
