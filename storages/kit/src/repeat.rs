//! Whether a request may be sent again whose outcome is open.

use lessor::storage::Request;

/// What may be done where a connection broke before the answer came.
///
/// ```
/// use lessor::storage::{Get, Request, Revoke};
/// use lessor::{Key, Term};
/// use lessor_kit::repeat::Repeat;
///
/// let key = Key::new("nightly-report")?;
/// let revoke = Revoke::new(key.clone());
/// assert_eq!(Repeat::of(&Request::from(revoke.clone())), Repeat::Unapplied);
/// assert_eq!(Repeat::of(&Request::from(revoke.term(Term::new(7)))), Repeat::Anytime);
/// assert_eq!(Repeat::of(&Request::from(Get::new(key))), Repeat::Anytime);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeat {
    /// It may be sent again: what it does twice is what it does once.
    Anytime,
    /// It may be sent again only where it is known that it was not applied.
    Unapplied,
}

impl Repeat {
    /// Of a request that a storage judges by its session or its term: it may be repeated, unless it is a revoke that names no term.
    /// That might take the lease of whoever was granted the key since.
    ///
    /// Storages that write what they have read, such as registers, may repeat no write.
    #[must_use]
    pub const fn of(request: &Request) -> Self {
        match request {
            Request::Revoke(revoke) if revoke.term.is_none() => Self::Unapplied,
            _ => Self::Anytime,
        }
    }
}
