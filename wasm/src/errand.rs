//! What a `LeaseObject` is asked: an errand and its payload, both texts. It answers with texts, too: the JSON of a
//! [`WireReply`](lessor_wire::WireReply) for each request, or of what was asked for.

/// The payload is the JSON of a list of [`WireRequest`](lessor_wire::WireRequest)s.
pub(crate) const ASK: &str = "ask";
/// The payload is a key, as it is.
#[cfg(feature = "service")]
pub(crate) const HISTORY: &str = "history";
/// The payload is a key, as it is. Nobody may hold it. What is left of it is its term.
#[cfg(feature = "service")]
pub(crate) const FORGET: &str = "forget";
