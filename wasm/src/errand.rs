//! What a `LeaseObject` is asked: an errand and its payload, both texts. It answers with texts, too: the JSON of a
//! [`WireReply`](lessor_wire::WireReply) for each request, or of what was asked for.

#[cfg(feature = "service")]
use lessor_service::Errand;

/// The payload is a key, a name, a term and a time in ms, a line each. Up to this time all is done that the name stands for, says who holds
/// the key in this term. The answer is up to when it was before; a time of 0 only asks.
#[cfg(any(feature = "service", all(feature = "worker", target_family = "wasm")))]
pub(crate) const MARK: &str = "mark";
/// The payload is the JSON of a list of [`WireRequest`](lessor_wire::WireRequest)s.
pub(crate) const ASK: &str = "ask";
/// The payload is a key, as it is.
#[cfg(feature = "service")]
pub(crate) const HISTORY: &str = Errand::History.as_str();
/// The payload is a key, as it is.
#[cfg(feature = "service")]
pub(crate) const WAITING: &str = Errand::Waiting.as_str();
/// The payload is a key, as it is. Nobody may hold it. What is left of it is its term.
#[cfg(feature = "service")]
pub(crate) const FORGET: &str = Errand::Forget.as_str();
