//! What a `LeaseObject` is asked: an errand and its payload, both texts. It answers with texts, too: the JSON of a
//! [`Told`](lessor::wire::Told) for each operation, or of what was asked for.

/// The payload is the JSON of a list of [`Ask`](lessor::wire::Ask)s.
pub(crate) const ASK: &str = "ask";
/// The payload is a key, as it is.
#[cfg(feature = "service")]
pub(crate) const REVOKE: &str = "revoke";
/// The payload is a key, as it is.
#[cfg(feature = "service")]
pub(crate) const HISTORY: &str = "history";
