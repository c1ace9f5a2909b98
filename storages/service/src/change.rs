//! Changes of hands, and how they are shown.

use lessor::storage::Request;
use lessor::{Key, Lease};
use serde::Serialize;

use crate::waiting::Waiter;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Somebody was granted it.
    Granted,
    /// Its holder gave it back.
    Released,
    /// It was taken from its holder.
    Revoked,
    /// Its lease ended.
    Expired,
}

impl Change {
    /// What this request does if it hands a lease over.
    #[must_use]
    pub const fn by(request: &Request) -> Self {
        match request {
            Request::Release(_) => Self::Released,
            Request::Revoke(_) => Self::Revoked,
            _ => Self::Granted,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Released => "released",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// A change of hands, as it is shown.
#[derive(Debug, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "it is what the API says")]
pub struct Entry {
    /// What happened.
    pub change: String,
    /// Who had it.
    pub id: String,
    /// In which term.
    pub term: u64,
    /// How long ago.
    pub ago_ms: u64,
}

/// A change of hands, as it is told to those who watch.
#[derive(Debug, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "it is what the API says")]
pub struct News {
    /// Whose it is.
    pub key: Key,
    /// What happened.
    pub change: String,
    /// Who had it.
    pub id: String,
    /// In which term.
    pub term: u64,
    /// How long ago.
    pub ago_ms: u64,
    /// As it is now.
    pub lease: Option<Lease>,
}

/// What is answered besides replies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reported {
    /// The changes of hands of a key, newest first.
    History(Vec<Entry>),
    /// Who waits for it, the last one first.
    Waiting(Vec<Waiter>),
    /// For those who watch.
    Change(News),
    /// The key is listed no more.
    Forgotten {},
}
