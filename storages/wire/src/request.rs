//! What is asked.

use lessor::storage::{Get, Release, Request, Revoke};
use lessor::{Key, StorageError, Term};
use serde::{Deserialize, Serialize};

use crate::claim::WireClaim;
use crate::list::WireList;
use crate::session::WireSession;
use crate::successor::WireSuccessor;

/// A [`Request`] as JSON: an object with one field, which is named after the operation.
///
/// | operation | JSON |
/// |---|---|
/// | acquire | `{"acquire": {"key", "claim"}}`, `claim` being a [`WireClaim`] |
/// | renew | `{"renew": {"key", "claim", "term"}}` |
/// | release | `{"release": {"key", "session", "successor"?}}`, `successor` being a [`WireSuccessor`] |
/// | get | `{"get": {"key"}}` |
/// | revoke | `{"revoke": {"key", "term"?, "now"?}}` |
/// | list | `{"list": {"prefix"?, "start"?, "limit"?}}` |
///
/// ```
/// use lessor::Key;
/// use lessor::storage::{Request, Revoke};
/// use lessor_wire::WireRequest;
///
/// let request: WireRequest = serde_json::from_str(r#"{"revoke": {"key": "nightly"}}"#)?;
/// assert_eq!(Request::from(request), Revoke::new(Key::new("nightly")?).into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WireRequest(Asked);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "request", rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Acquire {
        key: Key,
        claim: WireClaim,
    },
    Renew {
        key: Key,
        claim: WireClaim,
        term: Term,
    },
    Release {
        key: Key,
        session: WireSession,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        successor: Option<WireSuccessor>,
    },
    Get {
        key: Key,
    },
    Revoke {
        key: Key,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        term: Option<Term>,
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        now: bool,
    },
    List(WireList),
}

impl From<WireRequest> for Request {
    fn from(WireRequest(asked): WireRequest) -> Self {
        match asked {
            Asked::Acquire { key, claim } => claim.into_claim(key).into(),
            Asked::Renew { key, claim, term } => claim.into_renewal(key, term).into(),
            Asked::Release { key, session, successor } => {
                Release::new(key, session.into()).successor(successor.map(Into::into)).into()
            }
            Asked::Get { key } => Get::new(key).into(),
            Asked::Revoke { key, term, now } => Revoke::new(key).term(term).now(now).into(),
            Asked::List(list) => Self::List(list.into()),
        }
    }
}

/// The error is [`StorageError::unsupported`]: the operation is newer than this crate.
impl TryFrom<Request> for WireRequest {
    type Error = StorageError;

    fn try_from(request: Request) -> Result<Self, StorageError> {
        Ok(Self(match request {
            Request::Acquire(claim) => Asked::Acquire { key: claim.key.clone(), claim: claim.into() },
            Request::Renew(renewal) => {
                let (key, term) = (renewal.key.clone(), renewal.term);
                Asked::Renew { key, claim: renewal.into(), term }
            }
            Request::Release(Release { key, session, successor, .. }) => {
                Asked::Release { key, session: session.into(), successor: successor.map(Into::into) }
            }
            Request::Get(get) => Asked::Get { key: get.key },
            Request::Revoke(Revoke { key, term, now, .. }) => Asked::Revoke { key, term, now },
            Request::List(list) => Asked::List(list.into()),
            unknown => return Err(StorageError::unsupported(&unknown)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use alloc::{format, vec};
    use core::time::Duration;
    use lessor::storage::{Claim, List, Renewal, Session, Successor, Takeover, Version};
    use lessor::{Id, Value};

    fn key() -> Key {
        Key::new("nightly").unwrap()
    }

    fn claim() -> Claim {
        Claim::new(key(), Id::new("node-a").unwrap(), Session::from_bits(0xabc), Duration::from_secs(30))
    }

    fn written(request: Request) -> String {
        serde_json::to_string(&WireRequest::try_from(request).unwrap()).unwrap()
    }

    fn read(text: &str) -> Result<Request, String> {
        serde_json::from_str::<WireRequest>(text).map(Into::into).map_err(|error| error.to_string())
    }

    /// What is written is what `wasm/API.md` shows, and is read back the same.
    #[test]
    fn as_documented() {
        let said = r#""id":"node-a","session":"00000000000000000000000000000abc","ttl_ms":30000"#;
        let renewal = Renewal::new(key(), claim().id, claim().session, Term::FIRST, Duration::from_secs(30));
        let successor = Successor::new(Id::new("node-b").unwrap(), Duration::from_secs(4));
        let requests: Vec<(Request, String)> = vec![
            (claim().into(), format!(r#"{{"acquire":{{"key":"nightly","claim":{{{said}}}}}}}"#)),
            (
                claim().after(Term::new(7)).takeover(Takeover::Unchanged(Version::new(9))).into(),
                format!(
                    r#"{{"acquire":{{"key":"nightly","claim":{{{said},"after":7,"takeover":{{"unchanged":9}}}}}}}}"#
                ),
            ),
            (
                claim().value(Some(Value::new("v").unwrap())).takeover(Takeover::ReleasedOnly).into(),
                format!(
                    r#"{{"acquire":{{"key":"nightly","claim":{{{said},"value":"v","takeover":"released_only"}}}}}}"#
                ),
            ),
            (renewal.into(), format!(r#"{{"renew":{{"key":"nightly","claim":{{{said}}},"term":1}}}}"#)),
            (
                Release::new(key(), claim().session).into(),
                r#"{"release":{"key":"nightly","session":"00000000000000000000000000000abc"}}"#.into(),
            ),
            (
                Release::new(key(), claim().session).successor(Some(successor)).into(),
                r#"{"release":{"key":"nightly","session":"00000000000000000000000000000abc","successor":{"id":"node-b","within_ms":4000}}}"#.into(),
            ),
            (Get::new(key()).into(), r#"{"get":{"key":"nightly"}}"#.into()),
            (Revoke::new(key()).into(), r#"{"revoke":{"key":"nightly"}}"#.into()),
            (Revoke::new(key()).now(true).into(), r#"{"revoke":{"key":"nightly","now":true}}"#.into()),
            (Revoke::new(key()).term(Term::new(7)).into(), r#"{"revoke":{"key":"nightly","term":7}}"#.into()),
            (List::new().into(), r#"{"list":{"limit":100}}"#.into()),
        ];
        for (request, text) in requests {
            assert_eq!(written(request.clone()), text);
            assert_eq!(read(&text), Ok(request), "{text}");
        }
    }

    /// A ttl is never shortened on its way.
    #[test]
    fn whole_milliseconds() {
        let mut claim = claim();
        claim.ttl = Duration::from_nanos(1_000_001);
        let successor = Successor::new(claim.id.clone(), claim.ttl);
        let release = Release::new(key(), claim.session).successor(Some(successor));
        assert!(written(claim.into()).contains("\"ttl_ms\":2}"));
        assert!(written(release.into()).contains("\"within_ms\":2}"));
    }

    /// A renewal may say what a claim says: it says nothing then.
    #[test]
    fn a_renewal_is_a_claim_and_a_term() {
        let text = written(claim().into()).replace("acquire", "renew").replace("}}}", ",\"after\":3},\"term\":7}}");
        let Ok(Request::Renew(renewal)) = read(&text) else { panic!("{text}") };
        assert_eq!((renewal.term, renewal.id), (Term::new(7).unwrap(), claim().id));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            (r#"{"get": {"key": ""}}"#, "1 to 256 bytes"),
            (r#"{"get": {"key": "k", "surprise": 1}}"#, "surprise"),
            (r#"{"drop": {"key": "k"}}"#, "drop"),
            (r#"{"release": {"key": "k"}}"#, "session"),
            (r#"{"acquire": {"key": "k", "claim": {"id": "a"}}}"#, "session"),
            (
                r#"{"release": {"key": "k", "session": "00000000000000000000000000000abc", "successor": {"id": ""}}}"#,
                "1 to 128 bytes",
            ),
            (
                r#"{"release": {"key": "k", "session": "00000000000000000000000000000abc", "successor": {"id": "b"}}}"#,
                "within_ms",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
