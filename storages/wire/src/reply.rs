//! What is answered.

use core::time::Duration;

use lessor::storage::{Acquired, Renewed, Reply, Version};
use lessor::{Lease, StorageError, Term};
use serde::{Deserialize, Serialize};

use crate::list::WirePage;
use crate::problem::Problem;
use crate::whole_ms;

/// A [`Reply`] or a [`Problem`] as JSON: an object with one field, which says what it is.
///
/// | to | JSON |
/// |---|---|
/// | acquire | `{"granted": {"term", "version"}}` or `{"refused": {"lease", "retry_after_ms"}}` |
/// | renew | `{"extended": {"version"}}` or `{"lost": {"lease"}}` |
/// | release | `{"released": {}}` |
/// | get | `{"lease": Lease or null}` |
/// | revoke | `{"revoked": {"term", "lease"}}`: the term in which it was revoked and the lease as it was before, both null if nobody held it |
/// | list | `{"listed": {"keys": [{"key", "lease"}, ..], "after", "next"}}` |
/// | any | `{"failed": Problem}` |
///
/// ```
/// use lessor::storage::Reply;
/// use lessor_wire::WireReply;
///
/// let reply: WireReply = serde_json::from_str(r#"{"released": {}}"#)?;
/// assert_eq!(reply.into_result(), Ok(Reply::Released));
///
/// let failed = r#"{"failed": {"type": "forbidden", "status": 403, "detail": "the token is not for this key"}}"#;
/// let reply: WireReply = serde_json::from_str(failed)?;
/// assert_eq!(reply.into_result().unwrap_err().status, 403);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
#[serde(transparent)]
pub struct WireReply(Answered);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "reply", rename_all = "snake_case")]
enum Answered {
    Granted { term: Term, version: Version },
    Refused { lease: Option<Lease>, retry_after_ms: u64 },
    Extended { version: Version },
    Lost { lease: Option<Lease> },
    Released {},
    Lease(Option<Lease>),
    Revoked { term: Option<Term>, lease: Option<Lease> },
    Listed(WirePage),
    Failed(Problem),
}

impl WireReply {
    /// The reply, or what went wrong.
    ///
    /// # Errors
    /// The [`Problem`] that stands in its place. Whether the request was applied is then open, unless the problem's
    /// status says otherwise.
    pub fn into_result(self) -> Result<Reply, Problem> {
        Ok(match self.0 {
            Answered::Granted { term, version } => Acquired::granted(term, version).into(),
            Answered::Refused { lease, retry_after_ms } => {
                Acquired::refused(lease, Duration::from_millis(retry_after_ms)).into()
            }
            Answered::Extended { version } => Renewed::extended(version).into(),
            Answered::Lost { lease } => Renewed::lost(lease).into(),
            Answered::Released {} => Reply::Released,
            Answered::Lease(lease) => Reply::Got(lease),
            Answered::Revoked { lease, .. } => Reply::Revoked(lease),
            Answered::Listed(page) => Reply::Listed(page.into()),
            Answered::Failed(problem) => return Err(problem),
        })
    }
}

impl From<Problem> for WireReply {
    fn from(problem: Problem) -> Self {
        Self(Answered::Failed(problem))
    }
}

/// The error is [`StorageError::unfit`]: the reply is newer than this crate.
impl TryFrom<Reply> for WireReply {
    type Error = StorageError;

    fn try_from(reply: Reply) -> Result<Self, StorageError> {
        Ok(Self(match reply {
            Reply::Acquired(Acquired::Granted { term, version, .. }) => Answered::Granted { term, version },
            Reply::Acquired(Acquired::Refused { lease, retry_after, .. }) => {
                Answered::Refused { lease, retry_after_ms: whole_ms(retry_after) }
            }
            Reply::Renewed(Renewed::Extended { version, .. }) => Answered::Extended { version },
            Reply::Renewed(Renewed::Lost { lease, .. }) => Answered::Lost { lease },
            Reply::Released => Answered::Released {},
            Reply::Got(lease) => Answered::Lease(lease),
            // A revocation has a term of its own: see `Record::judge`.
            Reply::Revoked(lease) => {
                let term = lease.as_ref().map(|lease| lease.term.next().unwrap_or(lease.term));
                Answered::Revoked { term, lease }
            }
            Reply::Listed(page) => Answered::Listed(page.into()),
            _ => return Err(StorageError::unfit()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use lessor::storage::Page;

    fn lease() -> Lease {
        Lease::new(Term::FIRST, Version::FIRST, Duration::from_secs(1))
    }

    /// What is written is what `wasm/API.md` shows, and is read back the same.
    #[test]
    fn as_documented() {
        let shown = r#"{"id":null,"term":1,"version":1,"ttl_ms":1000,"time_left_ms":0,"age_ms":null,"value":null}"#;
        let replies: [(Reply, String); 11] = [
            (Acquired::granted(Term::FIRST, Version::new(3)).into(), r#"{"granted":{"term":1,"version":3}}"#.into()),
            (
                Acquired::refused(Some(lease()), Duration::from_millis(1)).into(),
                format!(r#"{{"refused":{{"lease":{shown},"retry_after_ms":1}}}}"#),
            ),
            (Acquired::refused(None, Duration::ZERO).into(), r#"{"refused":{"lease":null,"retry_after_ms":0}}"#.into()),
            (Renewed::extended(Version::new(3)).into(), r#"{"extended":{"version":3}}"#.into()),
            (Renewed::lost(Some(lease())).into(), format!(r#"{{"lost":{{"lease":{shown}}}}}"#)),
            (Reply::Released, r#"{"released":{}}"#.into()),
            (Reply::Got(None), r#"{"lease":null}"#.into()),
            (Reply::Got(Some(lease())), format!(r#"{{"lease":{shown}}}"#)),
            (Reply::Revoked(None), r#"{"revoked":{"term":null,"lease":null}}"#.into()),
            (Reply::Revoked(Some(lease())), format!(r#"{{"revoked":{{"term":2,"lease":{shown}}}}}"#)),
            (Reply::Listed(Page::default()), r#"{"listed":{"keys":[],"after":null,"next":null}}"#.into()),
        ];
        for (reply, text) in replies {
            assert_eq!(serde_json::to_string(&WireReply::try_from(reply.clone()).unwrap()).unwrap(), text);
            let read: WireReply = serde_json::from_str(&text).unwrap();
            assert_eq!(read.into_result(), Ok(reply), "{text}");
        }
    }

    /// After the last term there is none for a revoke.
    #[test]
    fn the_last_term() {
        let last = Lease::new(Term::LAST, Version::FIRST, Duration::ZERO);
        let reply = WireReply::try_from(Reply::Revoked(Some(last))).unwrap();
        assert!(serde_json::to_string(&reply).unwrap().starts_with(r#"{"revoked":{"term":9007199254740991,"#));
    }

    /// A service may say more than is known here.
    #[test]
    fn unknown_fields_are_skipped() {
        let text = r#"{"granted": {"term": 1, "version": 3, "surprise": {}}}"#;
        let read: WireReply = serde_json::from_str(text).unwrap();
        assert_eq!(read.into_result(), Ok(Acquired::granted(Term::FIRST, Version::new(3)).into()));
    }
}
