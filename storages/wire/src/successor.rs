//! For whom a released key is reserved.

use core::time::Duration;

use lessor::Id;
use lessor::storage::Successor;
use serde::{Deserialize, Serialize};

use crate::whole_ms;

/// A [`Successor`] as JSON: `{"id", "within_ms"}`.
///
/// ```
/// use lessor::storage::Successor;
/// use lessor_wire::WireSuccessor;
///
/// let next: WireSuccessor = serde_json::from_str(r#"{"id": "node-b", "within_ms": 4000}"#)?;
/// assert_eq!(Successor::from(next).within.as_secs(), 4);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "successor", deny_unknown_fields)]
pub struct WireSuccessor {
    id: Id,
    within_ms: u64,
}

impl From<WireSuccessor> for Successor {
    fn from(next: WireSuccessor) -> Self {
        Self::new(next.id, Duration::from_millis(next.within_ms))
    }
}

impl From<Successor> for WireSuccessor {
    fn from(successor: Successor) -> Self {
        Self { id: successor.id, within_ms: whole_ms(successor.within) }
    }
}
