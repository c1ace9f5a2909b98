//! The durations and limits of a candidate, set one by one.

use core::num::NonZeroU32;
use core::time::Duration;

use super::Builder;
use crate::config::Config;

/// Declares the settings that can be changed one by one: where they are kept, how they are applied, and their setters.
macro_rules! settings {
    ($($(#[$doc:meta])* $setting:ident: $type:ty;)*) => {
        /// The settings that were changed one by one.
        #[derive(Clone, Debug, Default)]
        pub(super) struct Changes {
            $(pub(super) $setting: Option<$type>,)*
        }

        impl Changes {
            fn apply(self, config: &mut Config) {
                $(if let Some(changed) = self.$setting {
                    config.$setting = changed;
                })*
            }
        }

        /// One setting each; [`Config`] says more of it, and its default.
        impl Builder {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nSee [`Config::", stringify!($setting), "`].")]
                pub fn $setting(mut self, $setting: $type) -> Self {
                    self.changes.$setting = Some($setting);
                    self
                }
            )*
        }
    };
}

settings! {
    /// How long a grant or a renewal lasts: a crashed leader is mostly replaced when this is over (the
    /// [guide](crate::guide::timing) has the bound). Unless a configuration was given as a whole, the other durations
    /// follow from it.
    #[doc(alias = "WithTTL")]
    ttl: Duration;
    /// From the beginning of one renewal of a leader to that of the next.
    #[doc(alias = "WithHoldRate")]
    renew_interval: Duration;
    /// The longest that a follower waits before it asks again, a tenth more or less. By default a fifth of the ttl, or all of it
    /// where the storage [tells of everything](crate::Wakeups::complete). Unless a configuration was given as a whole, the
    /// cool-off follows from what is set here.
    #[doc(alias = "WithFollowRate")]
    retry_interval: Duration;
    /// How long one request may take before it counts as failed.
    request_timeout: Duration;
    /// By how much a leader stops before its lease ends in the storage.
    margin: Duration;
    /// How long an ending term waits for guarded work.
    drain_timeout: Duration;
    /// For how long a candidate that resigned does not campaign.
    cool_off: Duration;
    /// How long a term is held at least, even if its leader resigns or stops.
    min_hold: Duration;
    /// How long a follower waits beyond the end of another's expired lease.
    takeover_delay: Duration;
    /// For how long the key has to be free before this candidate claims it: others go first.
    claim_delay: Duration;
    /// Whether a follower judges an expired lease by its own clock too.
    takeover_guard: bool;
    /// After how many failed renewals in a row a leader steps down. `None`: when its time is over.
    #[doc(alias = "WithErrorsToFallback")]
    fall_back_after: Option<NonZeroU32>;
}

/// The configuration that was given, or else the defaults for the ttl that was set; then the single settings on top.
///
/// `told`: who follows is told of every release and grant.
pub(super) fn resolved(given: Option<Config>, changes: Changes, rank: Option<u8>, told: bool) -> Config {
    let mut config = given.unwrap_or_else(|| {
        let mut derived = changes.ttl.map_or_else(Config::default, Config::with_ttl);
        if let Some(retry_interval) = changes.retry_interval {
            derived.cool_off = Config::cool_off_for(retry_interval);
        } else if told {
            // The cool-off stays: in that time every follower is told, and asks.
            derived.retry_interval = derived.ttl;
        }
        derived
    });
    let ranked = rank.filter(|_| changes.claim_delay.is_none());
    changes.apply(&mut config);
    if let Some(rank) = ranked {
        config.claim_delay = config.cool_off.saturating_mul(rank.into());
    }
    config
}
