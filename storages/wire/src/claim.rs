//! What a claim and a renewal say besides their key.

use core::time::Duration;

use lessor::storage::{Claim, Renewal, Takeover, Version};
use lessor::{Id, Key, Term, Value};
use serde::{Deserialize, Serialize};

use crate::session::WireSession;
use crate::whole_ms;

/// What a [`Claim`] or a [`Renewal`] says besides its key and its term: the body of `POST /v1/keys/{key}/acquire`.
///
/// `{"id", "session", "ttl_ms", "value"?, "after"?, "takeover"?}`; in a renewal the last two are ignored.
///
/// ```
/// use lessor::{Key, Term};
/// use lessor_wire::WireClaim;
///
/// let text = r#"{"id": "node-a", "session": "00000000000000000000000000000abc", "ttl_ms": 30000, "after": 7}"#;
/// let claim = serde_json::from_str::<WireClaim>(text)?.into_claim(Key::new("nightly")?);
/// assert_eq!((claim.id.as_str(), claim.after), ("node-a", Term::new(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireClaim {
    id: Id,
    session: WireSession,
    ttl_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Term>,
    #[serde(default, skip_serializing_if = "When::is_default")]
    takeover: When,
}

/// [`Takeover`], written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    #[default]
    Expired,
    Unchanged(Version),
    ReleasedOnly,
}

impl When {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl WireClaim {
    /// The claim for this key.
    #[must_use]
    pub fn into_claim(self, key: Key) -> Claim {
        let takeover = match self.takeover {
            When::Expired => Takeover::Expired,
            When::Unchanged(version) => Takeover::Unchanged(version),
            When::ReleasedOnly => Takeover::ReleasedOnly,
        };
        Claim::new(key, self.id, self.session.into(), Duration::from_millis(self.ttl_ms))
            .value(self.value)
            .after(self.after)
            .takeover(takeover)
    }

    /// The renewal of this key in this term.
    #[must_use]
    pub fn into_renewal(self, key: Key, term: Term) -> Renewal {
        let ttl = Duration::from_millis(self.ttl_ms);
        Renewal::new(key, self.id, self.session.into(), term, ttl).value(self.value)
    }
}

impl From<Claim> for WireClaim {
    fn from(claim: Claim) -> Self {
        Self {
            id: claim.id,
            session: claim.session.into(),
            ttl_ms: whole_ms(claim.ttl),
            value: claim.value,
            after: claim.after,
            takeover: match claim.takeover {
                Takeover::Expired => When::Expired,
                Takeover::Unchanged(version) => When::Unchanged(version),
                // And whatever a later version may bring: it takes over least.
                _ => When::ReleasedOnly,
            },
        }
    }
}

impl From<Renewal> for WireClaim {
    fn from(renewal: Renewal) -> Self {
        Self {
            id: renewal.id,
            session: renewal.session.into(),
            ttl_ms: whole_ms(renewal.ttl),
            value: renewal.value,
            after: None,
            takeover: When::Expired,
        }
    }
}
