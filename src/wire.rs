//! What travels between a lease service and its clients (feature `wire`): the JSON of `wasm/API.md`, version 1.
//!
//! [`Ask`] and [`Told`] are [`Request`] and [`Reply`] as they are written down. Durations travel, never dates. A
//! [`Session`] travels only towards the service.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::election::{Reply, Request};
use crate::lease::{Holder, Key, Lease, Session, Term, Value, Version};
use crate::record::{self, Acquired, Renewed, whole_ms};

/// A session on its way to the service: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub Session);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0.to_bits()))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // `from_str_radix` also takes a sign. What was given is a secret: the error does not repeat it.
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u128::from_str_radix(&text, 16).ok().filter(|_| digits);
        let bits = bits.ok_or_else(|| D::Error::custom("session has to be 32 hexadecimal digits"))?;
        Ok(Self(Session::from_bits(bits)))
    }
}

/// What a claim says besides its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who asks, for others to see.
    pub id: Holder,
    /// Who asks, as proof.
    pub session: Secret,
    /// For how long.
    pub ttl_ms: u64,
    /// What to publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The newest term that the candidate knows of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Term>,
    /// When an expired lease of another may be taken over.
    #[serde(default)]
    pub takeover: Takeover,
}

/// [`record::Takeover`], written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takeover {
    /// As soon as it has expired.
    #[default]
    Expired,
    /// If its version is still this one.
    Unchanged(Version),
    /// Not yet.
    ReleasedOnly,
}

impl Claim {
    /// The claim for this key.
    #[must_use]
    pub fn of(self, key: Key) -> record::Claim {
        record::Claim {
            key,
            holder: self.id,
            session: self.session.0,
            ttl: Duration::from_millis(self.ttl_ms),
            value: self.value,
            after: self.after,
            takeover: match self.takeover {
                Takeover::Expired => record::Takeover::Expired,
                Takeover::Unchanged(version) => record::Takeover::Unchanged(version),
                Takeover::ReleasedOnly => record::Takeover::ReleasedOnly,
            },
        }
    }
}

impl From<record::Claim> for Claim {
    fn from(claim: record::Claim) -> Self {
        Self {
            id: claim.holder,
            session: Secret(claim.session),
            ttl_ms: whole_ms(claim.ttl),
            value: claim.value,
            after: claim.after,
            takeover: match claim.takeover {
                record::Takeover::Expired => Takeover::Expired,
                record::Takeover::Unchanged(version) => Takeover::Unchanged(version),
                record::Takeover::ReleasedOnly => Takeover::ReleasedOnly,
            },
        }
    }
}

/// One operation on one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// [`Storage::acquire`](crate::Storage::acquire).
    Acquire {
        /// Of this key.
        key: Key,
        /// What is claimed.
        claim: Claim,
    },
    /// [`Storage::renew`](crate::Storage::renew).
    Renew {
        /// Of this key.
        key: Key,
        /// What is claimed.
        claim: Claim,
        /// In this term.
        term: Term,
    },
    /// [`Storage::release`](crate::Storage::release).
    Release {
        /// Of this key.
        key: Key,
        /// Whose lease.
        session: Secret,
    },
    /// [`Storage::get`](crate::Storage::get).
    Get {
        /// Of this key.
        key: Key,
    },
}

impl Ask {
    /// The key that it is about.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Acquire { key, .. } | Self::Renew { key, .. } | Self::Release { key, .. } | Self::Get { key } => key,
        }
    }
}

impl From<Request> for Ask {
    fn from(request: Request) -> Self {
        match request {
            Request::Acquire(claim) => Self::Acquire { key: claim.key.clone(), claim: claim.into() },
            Request::Renew(claim, term) => Self::Renew { key: claim.key.clone(), claim: claim.into(), term },
            Request::Release(key, session) => Self::Release { key, session: Secret(session) },
            Request::Get(key) => Self::Get { key },
        }
    }
}

impl From<Ask> for Request {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Acquire { key, claim } => Self::Acquire(claim.of(key)),
            Ask::Renew { key, claim, term } => Self::Renew(claim.of(key), term),
            Ask::Release { key, session } => Self::Release(key, session.0),
            Ask::Get { key } => Self::Get(key),
        }
    }
}

/// The answer to one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The claim was granted.
    Granted {
        /// In this term.
        term: Term,
        /// The record's version.
        version: Version,
    },
    /// The claim was refused.
    Held {
        /// What is there instead.
        lease: Option<Lease>,
        /// When to come back. Zero: look at the lease and ask again.
        retry_after_ms: u64,
    },
    /// The lease was extended.
    Extended {
        /// The record's version.
        version: Version,
    },
    /// The reign is over.
    Lost {
        /// What is there instead.
        lease: Option<Lease>,
    },
    /// The release was applied, or there was nothing to release.
    Released {},
    /// What can be seen of the key.
    Lease(Option<Lease>),
    /// It failed. Whether it was applied is open, unless the status says otherwise.
    Failed(Problem),
}

impl From<Acquired> for Told {
    fn from(acquired: Acquired) -> Self {
        match acquired {
            Acquired::Granted { term, version } => Self::Granted { term, version },
            Acquired::Held { lease, retry_after } => Self::Held { lease, retry_after_ms: whole_ms(retry_after) },
        }
    }
}

impl From<Renewed> for Told {
    fn from(renewed: Renewed) -> Self {
        match renewed {
            Renewed::Extended { version } => Self::Extended { version },
            Renewed::Lost(lease) => Self::Lost { lease },
        }
    }
}

/// The reply, or what went wrong.
impl TryFrom<Told> for Reply {
    type Error = Problem;

    fn try_from(told: Told) -> Result<Self, Problem> {
        Ok(match told {
            Told::Granted { term, version } => Self::Acquired(Acquired::Granted { term, version }),
            Told::Held { lease, retry_after_ms } => {
                Self::Acquired(Acquired::Held { lease, retry_after: Duration::from_millis(retry_after_ms) })
            }
            Told::Extended { version } => Self::Renewed(Renewed::Extended { version }),
            Told::Lost { lease } => Self::Renewed(Renewed::Lost(lease)),
            Told::Released {} => Self::Released,
            Told::Lease(lease) => Self::Got(lease),
            Told::Failed(problem) => return Err(problem),
        })
    }
}

/// Why a request failed (RFC 9457, "Problem Details for HTTP APIs").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of problem: one word of a fixed list, `wasm/API.md` has it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this very request.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind, self.status, self.detail)
    }
}

impl core::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn written(ask: &Ask) -> String {
        serde_json::to_string(ask).unwrap()
    }

    /// What is written is what `wasm/API.md` shows.
    #[test]
    fn as_documented() {
        let claim = record::Claim {
            key: Key::new("nightly").unwrap(),
            holder: Holder::new("node-a").unwrap(),
            session: Session::from_bits(0xabc),
            ttl: Duration::from_secs(30),
            value: None,
            after: Term::new(7),
            takeover: record::Takeover::Unchanged(Version::new(9)),
        };
        let ask = Ask::from(Request::Acquire(claim.clone()));
        assert_eq!(
            written(&ask),
            "{\"acquire\":{\"key\":\"nightly\",\"claim\":{\"id\":\"node-a\",\"session\":\"00000000000000000000000000000abc\",\
             \"ttl_ms\":30000,\"after\":7,\"takeover\":{\"unchanged\":9}}}}"
        );
        let read: Ask = serde_json::from_str(&written(&ask)).unwrap();
        assert_eq!(Request::from(read), Request::Acquire(claim));
    }

    /// A session is a secret: an error does not repeat it, and nothing but 32 digits is one.
    #[test]
    fn bad_sessions() {
        for bad in ["", "+0000000000000000000000000000abc", "secret", "0000000000000000000000000000000000"] {
            let error = serde_json::from_str::<Secret>(&format!("\"{bad}\"")).unwrap_err();
            let text = format!("{error}");
            assert!(text.contains("32 hexadecimal digits"), "{text}");
            assert!(bad.is_empty() || !text.contains(bad), "{text}");
        }
    }
}
