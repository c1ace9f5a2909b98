//! Leader election over any shared storage.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod config;
mod lease;
mod lock;
mod record;
mod send;
pub mod storage;
pub mod time;

pub use async_trait::async_trait;

pub use config::{Config, ConfigError, JITTER, MAX_DURATION, MIN_TTL};
pub use lease::{Holder, InvalidText, Key, Lease, Session, Term, Value, Version};
pub use record::{Acquired, Claim, Record, Renewed, Takeover, Verdict};
pub use send::{MaybeSend, MaybeSendSync};
#[cfg(feature = "sqlite")]
pub use storage::sqlite::SqliteStorage;
pub use storage::{ErrorKind, MemoryStorage, Storage, StorageError, Topics, Wakeups};
#[cfg(feature = "system")]
pub use time::SystemTimer;
#[cfg(feature = "tokio")]
pub use time::TokioTimer;
pub use time::{DefaultTimer, Instant, ManualTimer, Timer};
