//! What comes after work that has ended.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// What comes after work that has ended: what the work of [`Candidate::lead`](crate::Candidate::lead) answers.
///
/// Work that never ends, an endless loop, need not say it. A result says it by `into()`: `Ok(())` is
/// [`NextTerm`](Self::NextTerm), `Ok` of a `Then` is that, and an error, of any type that can be shown, is [`Failed`](Self::Failed).
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, Leadership, MemoryStorage, Then};
///
/// async fn report(leadership: &Leadership) -> Result<(), std::io::Error> {
///     // Each write with `leadership.term()`.
///     Ok(())
/// }
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// let lead = candidate.lead(async |leadership| match report(&leadership).await {
///     Err(error) if error.kind() == std::io::ErrorKind::NotFound => Then::Again(Duration::from_secs(60)),
///     reported => reported.into(),
/// });
/// # drop((lead, driver));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Then {
    /// Goes on leading, and begins the work again only in the next term: for work that is to be done once a term.
    NextTerm,
    /// Begins the work again in the same term, after this pause; with less than 1 ms it takes 1 ms.
    Again(Duration),
    /// Hands over, lets others lead for the [cool-off](crate::Config::cool_off), and campaigns again after it, and after a
    /// twentieth of the ttl at the earliest.
    ///
    /// Where others let this candidate go first (a better [rank](crate::Builder::rank), a longer [claim delay](crate::Config::claim_delay),
    /// the keys of a [`Spread`](crate::Spread)) it is back before they come, unless its cool-off is longer than their delay: there,
    /// [`Stop`](Self::Stop) is what lets another lead.
    Resign,
    /// As [`Resign`](Self::Resign), since another may succeed; and the log is told why (feature `tracing`): a WARN, or a DEBUG
    /// where the term was ending already.
    Failed(String),
    /// Hands over, and stops the candidate for good.
    Stop,
}

impl From<()> for Then {
    fn from((): ()) -> Self {
        Self::NextTerm
    }
}

impl<R: Into<Self>, E: fmt::Display> From<Result<R, E>> for Then {
    fn from(result: Result<R, E>) -> Self {
        match result {
            Ok(then) => then.into(),
            Err(error) => Self::Failed(format!("{error:#}")),
        }
    }
}
