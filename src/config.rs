//! Durations and limits, every default explained, validated together before anything runs.

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::debug::debug_as_displayed;

/// The durations of a candidate.
///
/// [`Config::with_ttl`] derives all of them from one number in proportions that fit together;
/// change the ones you know better. [`validate`](Self::validate) is called by whatever takes a configuration.
///
/// ```
/// use core::time::Duration;
/// use lessor::Config;
///
/// let mut config = Config::with_ttl(Duration::from_secs(30));
/// assert_eq!(config.renew_interval, Duration::from_secs(6));
/// config.renew_interval = Duration::from_secs(28);
/// assert!(config.validate().is_err(), "no room for a retry before the lease ends");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long a grant or a renewal lasts, by the storage's clock. Default 10 s, from 100 ms to 1 day.
    ///
    /// A crashed leader is mostly replaced when this is over (the [guide](crate::guide::timing) has the bound). Shorter:
    /// faster take-over, more requests, less patience with a slow storage.
    pub ttl: Duration,

    /// From the beginning of one renewal to that of the next. Default a fifth of the ttl.
    #[doc(alias = "WithHoldRate")]
    pub renew_interval: Duration,

    /// The longest a follower waits before it asks again, a tenth more or less. Default a fifth of the ttl.
    ///
    /// It asks sooner when the lease has run out and when the storage wakes it. A longer interval saves reads; a hand-over of
    /// which it is not told, and a new [value](crate::Candidate::set_value) of the leader, are seen after it at the latest (a quarter
    /// later where several candidates of a process follow the key, and share what they hear).
    /// Where it is not set, a [`Builder`](crate::Builder) makes it the ttl for candidates whose storage tells them of
    /// [everything](crate::Wakeups::complete): these ask about once per ttl.
    ///
    /// While nobody holds the lease, or the storage fails, a follower waits for no more than a fifth of the ttl, or this if it is
    /// shorter.
    #[doc(alias = "WithFollowRate")]
    pub retry_interval: Duration,

    /// How long one storage operation may take before it counts as failed. Default a fifth of the ttl.
    ///
    /// What timed out may still be applied at any later time; the protocol allows for it.
    pub request_timeout: Duration,

    /// By how much a leader stops before its lease ends in the storage. Default a tenth of the ttl.
    ///
    /// It covers the difference in rate between two clocks, the millisecond grain of the storage's clock, and the
    /// [grain of the candidate's](crate::Timer::resolution), 1 ms unless its timer says otherwise:
    /// with rates within ±r it has to be at least `ttl * 2r / (1 + r)` plus both
    /// (Gray and Cheriton, "Leases", 1989; to the letter `(2r * ttl + (1 - r) * 1 ms) / (1 + r)`, [proved](crate::guide::proved) to be just
    /// enough, and the candidate's grain besides). A tenth covers ±5 % from a ttl of 400 ms on, ±4 % at the shortest. The kernel slews a clock by at most 0.05 %; where
    /// chrony may slew at the 8.3 % of its default `maxslewrate`, take a sixth.
    pub margin: Duration,

    /// How long an ending term waits for work under a [`Guard`](crate::Guard) before it is released all the same. Default
    /// equal to the ttl.
    ///
    /// Renewals go on meanwhile. Zero: release at once.
    pub drain_timeout: Duration,

    /// For how long a candidate that resigned does not campaign. Default twice the retry interval that was set, else two fifths
    /// of the ttl, so that every follower asks once. A [named successor](crate::Candidate::resign_to) has that time to itself, and the
    /// other followers as much after it.
    pub cool_off: Duration,

    /// A term that began is not released before this has passed, even if its leader resigns or stops at once. Default
    /// zero.
    ///
    /// For short jobs on machines whose clocks differ: the second machine still finds the key held
    /// (ShedLock's `lockAtLeastFor`). The ttl bounds it all the same if the process dies.
    pub min_hold: Duration,

    /// How long after a lease *expired* (its leader vanished; a released one is free at once) this candidate lets it
    /// lie. Default zero.
    ///
    /// As lock-delay, it gives work of the vanished leader that cannot be fenced the time to end
    /// (Chubby, OSDI 2006, section 2.4; Consul sessions). To let other candidates go first, set the
    /// [claim delay](Self::claim_delay).
    pub takeover_delay: Duration,

    /// For how long the key has to be free, as this candidate sees it by its own clock, before this candidate claims it.
    /// Default zero.
    ///
    /// Others go first, whether the lease was released or ran out. (The [take-over delay](Self::takeover_delay) is about a
    /// lease that ran out, and whose holder may still be at work: it belongs on every candidate. This one is about who is
    /// preferred, and belongs on those who are not.) A [rank](crate::Builder::rank) sets it in proportion.
    ///
    /// Until then the candidate looks at the key and claims nothing: about once per retry interval, or per claim delay if that is
    /// longer; each fifth of the ttl while the key is free. A lease that it sees in between starts the time anew. What may still
    /// be its own it claims without a delay: a lease whose grant it did not hear of, or that it could not renew. It never takes
    /// a lease from a leader: whoever leads stays.
    pub claim_delay: Duration,

    /// Take over an expired lease only after having seen its version unchanged for a whole ttl and margin on this
    /// candidate's own clock. Default `false`.
    ///
    /// It protects against a storage whose wall clock steps forward, and costs up to one more ttl and margin after a crash.
    pub takeover_guard: bool,

    /// Step down after this many failed renewals in a row, even if the lease has time left. Default `None`.
    ///
    /// The lease is not released: others have to wait until it has run out, and this candidate may win it again sooner, in a
    /// new term. To let others lead, [resign](crate::Candidate::resign).
    ///
    /// Time is the bound by default, not a count, because a count says nothing of time: three failures are over in a
    /// moment when the storage refuses at once, and outlast the lease when each one hangs.
    #[doc(alias = "WithErrorsToFallback")]
    pub fall_back_after: Option<NonZeroU32>,
}

impl Config {
    /// How far a pause between two requests may vary, as a fraction: a tenth to either side, drawn afresh each time. (Pauses
    /// after failures vary more: from half of their bound to the whole.)
    ///
    /// Without it the followers of a key that lost their leader together would go on asking together
    /// (hashicorp/consul#9469), and jitter on jitter would drift (so it is never applied to an already varied pause).
    pub const JITTER: f64 = 0.1;

    /// The shortest ttl allowed.
    pub const MIN_TTL: Duration = Duration::from_millis(100);

    /// The longest ttl, and the longest of every other duration.
    pub const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

    /// The defaults in proportion to this ttl.
    #[must_use]
    #[doc(alias = "WithTTL")]
    pub fn with_ttl(ttl: Duration) -> Self {
        let fifth = ttl / 5;
        Self {
            ttl,
            renew_interval: fifth,
            retry_interval: fifth,
            request_timeout: fifth,
            margin: (ttl / 10).max(Duration::from_millis(1)),
            drain_timeout: ttl,
            cool_off: Self::cool_off_for(fifth),
            min_hold: Duration::ZERO,
            takeover_delay: Duration::ZERO,
            claim_delay: Duration::ZERO,
            takeover_guard: false,
            fall_back_after: None,
        }
    }

    /// So that every follower asks once.
    pub(crate) fn cool_off_for(retry_interval: Duration) -> Duration {
        retry_interval.saturating_mul(2).min(Self::MAX_DURATION)
    }

    /// Checks each duration against its limits and all of them against each other.
    ///
    /// The rule is `renew_interval * 1.1 + 2 * request_timeout + retry pause + margin < ttl`, with a retry pause of a
    /// twentieth of the ttl, at most 500 ms: one renewal may be lost or slow and the next one still arrives in time.
    ///
    /// # Errors
    /// [`ConfigError`] names the field and both numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let grain = Duration::from_millis(1);
        let durations = [
            ("ttl", self.ttl, Self::MIN_TTL),
            ("renew_interval", self.renew_interval, grain),
            ("retry_interval", self.retry_interval, grain),
            ("request_timeout", self.request_timeout, grain),
            ("margin", self.margin, grain),
            ("drain_timeout", self.drain_timeout, Duration::ZERO),
            ("cool_off", self.cool_off, Duration::ZERO),
            ("min_hold", self.min_hold, Duration::ZERO),
            ("takeover_delay", self.takeover_delay, Duration::ZERO),
            ("claim_delay", self.claim_delay, Duration::ZERO),
        ];
        for (field, given, min) in durations {
            if !(min..=Self::MAX_DURATION).contains(&given) {
                return Err(ConfigError::OutOfRange { field, given, min, max: Self::MAX_DURATION });
            }
        }
        let requests = self.renew_interval.mul_f64(1.0 + Self::JITTER) + self.request_timeout * 2;
        let needed = requests + self.retry_pause() + self.margin;
        if needed >= self.ttl {
            return Err(ConfigError::NoRoomToRenew { needed, ttl: self.ttl });
        }
        Ok(())
    }

    /// [`validate`](Self::validate), and that the margin covers the [grain](crate::Timer::resolution) of the candidate's clock:
    /// what a builder checks. For who drives an [`Election`](crate::election::Election) by a clock of its own.
    ///
    /// The rule is `margin >= resolution + 1 ms + ttl / 1000`: the grain of both clocks, and something for their rates,
    /// which at least may differ by what kernels slew.
    ///
    /// # Errors
    /// [`ConfigError`] names the field and both numbers.
    // A deadline is `ttl - margin` from the reading before the request was sent. By the definition of the resolution the true
    // time from then to the last reading that is still below it is less than `ttl - margin + resolution`. The storage's
    // clock, floored to ms, shows the lease as over no sooner than `ttl - 1 ms` after the grant, which came after the
    // sending. So the two do not overlap if the margin is no less than the sum of the grains, for clocks of one rate.
    pub fn validate_for(&self, resolution: Duration) -> Result<(), ConfigError> {
        self.validate()?;
        let needed = resolution.saturating_add(Duration::from_millis(1)).saturating_add(self.ttl / 1000);
        if self.margin < needed {
            return Err(ConfigError::MarginTooShort { margin: self.margin, needed, resolution });
        }
        Ok(())
    }

    /// How long a reign lasts from when its grant or renewal was sent.
    pub(crate) const fn longest_reign(&self) -> Duration {
        self.ttl.saturating_sub(self.margin)
    }

    /// The longest pause of a follower where no wake-up is to be expected: nobody tells of a lease that has run out, nor of a
    /// storage that answers again.
    pub(crate) fn untold_pause(&self) -> Duration {
        self.retry_interval.min(self.ttl / 5)
    }

    /// The longest pause before a leader repeats a failed renewal, and where the backoff of others begins: 500 ms, or
    /// a twentieth of a short ttl.
    pub(crate) fn retry_pause(&self) -> Duration {
        Duration::from_millis(500).min(self.ttl / 20)
    }
}

impl Default for Config {
    /// The defaults for a ttl of 10 s: renew and retry every 2 s.
    fn default() -> Self {
        Self::with_ttl(Duration::from_secs(10))
    }
}

/// Durations that cannot work.
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, MemoryStorage};
///
/// let error = Builder::new("k").ttl(Duration::from_millis(50)).build(MemoryStorage::new()).unwrap_err();
/// assert_eq!(error.to_string(), "ttl is 50ms, allowed is 100ms to 86400s");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// One duration is outside its limits.
    #[non_exhaustive]
    OutOfRange {
        /// Which one.
        field: &'static str,
        /// What was given.
        given: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// A lease would end before a lost renewal could be repeated.
    #[non_exhaustive]
    NoRoomToRenew {
        /// `renew_interval * 1.1 + 2 * request_timeout + retry pause + margin`.
        needed: Duration,
        /// What that has to be below.
        ttl: Duration,
    },
    /// The candidate's clock is so coarse that a leader may go on for longer than its lease lasts.
    #[non_exhaustive]
    MarginTooShort {
        /// What was given.
        margin: Duration,
        /// `resolution + 1 ms + ttl / 1000`.
        needed: Duration,
        /// How coarse the clock is, as its [timer says](crate::Timer::resolution).
        resolution: Duration,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { field, given, min, max } => {
                write!(f, "{field} is {given:?}, allowed is {min:?} to {max:?}")
            }
            Self::MarginTooShort { margin, needed, resolution } => write!(
                f,
                "margin is {margin:?}, but the timer's clock has a resolution of {resolution:?}, and resolution + 1ms + ttl / 1000 is \
                 {needed:?}, not less: set a longer margin or ttl, or take a finer clock"
            ),
            Self::NoRoomToRenew { needed, ttl } => write!(
                f,
                "ttl is {ttl:?}, but renew_interval * 1.1 + 2 * request_timeout + retry pause + margin is {needed:?}, not less"
            ),
        }
    }
}

impl core::error::Error for ConfigError {}

debug_as_displayed!(ConfigError);
