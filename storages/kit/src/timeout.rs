//! How long to wait for others.

use core::time::Duration;

#[cfg(feature = "io")]
pub use within::{TimedOut, checked, within};

/// For how long [`check`](lessor::Storage::check) waits for a server that is there and says nothing: behind a router that has
/// forgotten its connections, say.
pub const CHECK: Duration = Duration::from_secs(10);

/// How long a storage waits for a lock that another holds: a tenth of the shortest ttl that is asked for, so that the
/// answer comes while the candidate still waits for it (a fifth of its ttl, by default).
///
/// At most `longest`; and never below `least`, which wins. Without a ttl it is `longest`.
///
/// ```
/// use core::time::Duration;
/// use lessor_kit::timeout::patience;
///
/// let (longest, least) = (Duration::from_secs(1), Duration::from_millis(10));
/// let ttls = [Duration::from_secs(30), Duration::from_secs(5)];
/// assert_eq!(patience(ttls, longest, least), Duration::from_millis(500));
/// assert_eq!(patience([], longest, least), longest);
/// ```
pub fn patience(ttls: impl IntoIterator<Item = Duration>, longest: Duration, least: Duration) -> Duration {
    ttls.into_iter().map(|ttl| ttl / 10).fold(longest, Duration::min).max(least)
}

#[cfg(feature = "io")]
mod within {
    use core::error::Error;
    use core::fmt;
    use core::pin::pin;
    use core::time::Duration;
    use std::io;

    use async_io::Timer;
    use futures::future::{Either, select};
    use lessor::StorageError;

    use super::CHECK;

    /// The future's output, if it is ready within `limit`. Works under every executor.
    ///
    /// A future that is ready at once wins, however short the limit.
    ///
    /// ```
    /// use core::future::{pending, ready};
    /// use core::time::Duration;
    /// use lessor_kit::timeout::within;
    ///
    /// # futures::executor::block_on(async {
    /// assert_eq!(within(Duration::from_secs(10), ready(7)).await, Ok(7));
    /// let error = within(Duration::from_millis(1), pending::<()>()).await.unwrap_err();
    /// assert_eq!(error.to_string(), "no answer within 1ms");
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`]; the future is dropped then. It becomes an [`io::Error`] or a transient [`StorageError`] with `?`.
    pub async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, TimedOut> {
        match select(pin!(future), Timer::after(limit)).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(_) => Err(TimedOut(limit)),
        }
    }

    /// What a check answers that is tried with so many servers, one after the other where they say nothing: at most [`CHECK`] in all,
    /// and a share of that with each.
    ///
    /// # Errors
    /// The check's own; or that none of them answered in time.
    pub async fn checked<F: Future<Output = Result<(), StorageError>>>(
        servers: usize,
        check: impl Fn() -> F,
    ) -> Result<(), StorageError> {
        let share = CHECK / u32::try_from(servers.max(1)).unwrap_or(u32::MAX);
        let all = async {
            for _ in 1..servers {
                if let Ok(answer) = within(share, check()).await {
                    return answer;
                }
            }
            check().await
        };
        within(CHECK, all).await?
    }

    /// There was no answer within this time.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[must_use]
    pub struct TimedOut(Duration);

    impl TimedOut {
        /// The limit that has passed.
        #[must_use]
        pub const fn after(self) -> Duration {
            self.0
        }
    }

    impl fmt::Display for TimedOut {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "no answer within {:?}", self.0)
        }
    }

    impl Error for TimedOut {}

    /// For drivers: of the kind [`io::ErrorKind::TimedOut`].
    impl From<TimedOut> for io::Error {
        fn from(error: TimedOut) -> Self {
            Self::new(io::ErrorKind::TimedOut, error)
        }
    }

    /// [`StorageError::timed_out`].
    impl From<TimedOut> for StorageError {
        fn from(TimedOut(after): TimedOut) -> Self {
            Self::timed_out(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_is_less_patient_than_its_candidate() {
        let (longest, least) = (Duration::from_millis(800), Duration::from_millis(50));
        let patience = |seconds: &[u64]| patience(seconds.iter().copied().map(Duration::from_secs), longest, least);
        assert_eq!(patience(&[60, 5, 7]), Duration::from_millis(500));
        assert_eq!(patience(&[60]), longest);
        assert_eq!(patience(&[]), longest);
        assert_eq!(patience(&[0]), least);
    }

    #[cfg(feature = "io")]
    #[test]
    fn the_limit_ends_what_does_not_answer() {
        use core::future::{pending, ready};
        use lessor::StorageError;
        use std::io;

        async_io::block_on(async {
            let limit = Duration::from_millis(1);
            let late = within(limit, pending::<()>()).await.unwrap_err();
            assert_eq!(late.after(), limit);
            assert_eq!(io::Error::from(late).kind(), io::ErrorKind::TimedOut);
            assert_eq!(StorageError::from(late), StorageError::timed_out(limit));
            assert_eq!(within(Duration::ZERO, ready(7)).await, Ok(7), "ready at once");
        });
    }
}
