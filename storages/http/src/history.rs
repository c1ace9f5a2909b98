//! What a service knows of a key beside its lease.

use core::fmt::Write as _;
use core::time::Duration;

use lessor::{Id, Key, Term};
use serde::Deserialize;

/// A change of hands of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Who was granted the key; or whose it was.
    pub id: Id,
    /// Of the grant, or of the revoke.
    pub term: Term,
    /// How long ago it happened, when the service answered.
    pub ago: Duration,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// Somebody was granted it.
    Granted,
    /// Its holder gave it up.
    Released,
    /// It was taken from its holder.
    Revoked,
    /// Its holder did not renew it in time. The service may notice that late.
    Expired,
    /// What a later version of the service calls otherwise.
    Other,
}

/// Somebody who claimed a key and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiter {
    /// Who it is.
    pub id: Id,
    /// How long ago it claimed last, when the service answered.
    pub ago: Duration,
}

#[derive(Deserialize)]
pub(crate) struct History {
    pub(crate) history: Vec<Entry>,
}

#[derive(Deserialize)]
pub(crate) struct Entry {
    change: String,
    id: Id,
    term: Term,
    ago_ms: u64,
}

#[derive(Deserialize)]
pub(crate) struct Waiting {
    pub(crate) waiting: Vec<Asked>,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    id: Id,
    ago_ms: u64,
}

impl From<Entry> for Change {
    fn from(Entry { change, id, term, ago_ms }: Entry) -> Self {
        let kind = match change.as_str() {
            "granted" => ChangeKind::Granted,
            "released" => ChangeKind::Released,
            "revoked" => ChangeKind::Revoked,
            "expired" => ChangeKind::Expired,
            _ => ChangeKind::Other,
        };
        Self { kind, id, term, ago: Duration::from_millis(ago_ms) }
    }
}

impl From<Asked> for Waiter {
    fn from(Asked { id, ago_ms }: Asked) -> Self {
        Self { id, ago: Duration::from_millis(ago_ms) }
    }
}

/// Where the service has it. The key is one segment of the path.
pub(crate) fn path(key: &Key, what: &str) -> String {
    let mut path = String::from("/v1/keys/");
    for byte in key.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            path.push(byte.into());
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path.push('/');
    path.push_str(what);
    path
}
