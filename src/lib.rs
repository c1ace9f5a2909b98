//! Leader election over any shared storage.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod builder;
mod candidate;
mod config;
mod driver;
mod election;
mod events;
mod fence;
mod leadership;
mod lease;
mod lock;
mod observer;
mod published;
mod record;
mod send;
mod shared;
pub mod storage;
pub mod time;

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
#[cfg(feature = "sqlite")]
pub use storage::sqlite::SqliteStorage;
pub use storage::{ErrorKind, MemoryStorage, Storage, StorageError, Topics, Wakeups};
#[cfg(feature = "system")]
pub use time::SystemTimer;
#[cfg(feature = "tokio")]
pub use time::TokioTimer;
pub use time::{DefaultTimer, Instant, ManualTimer, Timer};
