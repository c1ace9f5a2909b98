//! What kept a builder from building.

use alloc::string::String;
use core::fmt;

use crate::config::ConfigError;
use crate::debug::debug_as_displayed;
use crate::slots::InvalidSlots;
use crate::text::{InvalidText, Key};

/// What kept a [`Builder`](crate::Builder) from building.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The key, the id or the value.
    Text(InvalidText),
    /// The durations.
    Config(ConfigError),
    /// The ticket belongs to another election.
    #[non_exhaustive]
    TicketOfAnother {
        /// Whose ticket it is.
        ticket: Key,
        /// For which election the builder is.
        key: Key,
    },
    /// How many may lead at once.
    Slots(InvalidSlots),
    /// An observer claims nothing: it has no id, no value, no ticket, no rank and no slots.
    #[non_exhaustive]
    NotForObservers {
        /// What was set: `id`, `value`, `ticket`, `rank` or `slots`.
        setting: &'static str,
    },
    /// The group has a candidate for this key.
    #[non_exhaustive]
    InGroup {
        /// The key.
        key: Key,
    },
    /// The group is part of a spread, which knows its candidates by the id of the group and says who goes first.
    #[non_exhaustive]
    NotInSpread {
        /// What was set: `id`, `rank`, `claim_delay` or `slots`.
        setting: &'static str,
    },
    /// A process of a spread may not weigh that much.
    #[non_exhaustive]
    TooHeavy {
        /// The weight that was set.
        weight: u32,
        /// The most that is allowed.
        most: u32,
    },
    /// The group was stopped, or its driver was dropped.
    GroupStopped,
    /// The system gives no randomness, or the source that was given: what it said, or what is wrong with it.
    NoEntropy(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Slots(error) => error.fmt(f),
            Self::TicketOfAnother { ticket, key } => {
                write!(
                    f,
                    "the ticket is for key \"{ticket}\", and the builder for key \"{key}\": keep a ticket for each key"
                )
            }
            Self::NotForObservers { setting } => {
                write!(f, "an observer has no {setting}: leave it out, or build a candidate")
            }
            Self::InGroup { key } => {
                write!(f, "the group has a candidate for key \"{key}\": use that one, or remove it first")
            }
            Self::NotInSpread { setting } => {
                write!(f, "a candidate of a spread has no {setting} of its own: leave it out")
            }
            Self::TooHeavy { weight, most } => write!(f, "the weight of a spread is {weight}, allowed is 0 to {most}"),
            Self::GroupStopped => f.write_str("the group has stopped: build another"),
            Self::NoEntropy(error) => write!(f, "there is no randomness: {error}"),
        }
    }
}

impl core::error::Error for BuildError {}

debug_as_displayed!(BuildError);

impl From<InvalidText> for BuildError {
    fn from(error: InvalidText) -> Self {
        Self::Text(error)
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<InvalidSlots> for BuildError {
    fn from(error: InvalidSlots) -> Self {
        Self::Slots(error)
    }
}
