//! What is said on a socket of `/v1/watch`, and how much of it a token may say.

use std::cell::RefCell;

use lessor::Key;
use lessor_wire::Problem;
use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Ledger};
use crate::caller::{Looker, too_many};
use crate::json;
use crate::limits::WATCHED;
use crate::problem::Kind;

/// What a client says on its socket.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "whoever serves has to do each of these")]
pub enum Heard {
    /// It wants to know of these.
    Watch(Patterns),
    /// And of these no more.
    Unwatch(Patterns),
}

/// Which keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Patterns {
    /// Comes back when it is done.
    pub number: u64,
    /// These.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// All that begin so.
    #[serde(default)]
    pub prefixes: Vec<String>,
}

/// What is said to a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Said {
    /// No change is missed from now on.
    Watched {
        /// As the client chose it.
        number: u64,
        /// Whether states are missing.
        more: bool,
    },
    /// Nothing more is told of them.
    Unwatched {
        /// As the client chose it.
        number: u64,
    },
    /// Nothing of the message was done.
    Failed(Failure),
}

/// What was wrong, and with which message, where that is known.
#[derive(Debug, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "it is what the API says")]
pub struct Failure {
    /// What was wrong.
    #[serde(flatten)]
    pub problem: Problem,
    /// As the client chose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// What those who look have used, of messages and lookups, by their names.
#[derive(Debug)]
pub struct Looking(RefCell<Ledger<2>>);

impl Default for Looking {
    fn default() -> Self {
        Self(RefCell::new(Ledger::new()))
    }
}

impl Looking {
    /// A message that may be acted upon.
    ///
    /// # Errors
    /// It cannot be understood, is not allowed, or is one too many: nothing of it is done.
    pub fn hear(&self, looker: &Looker, text: &str, now_ms: f64) -> Result<Heard, Failure> {
        let failure = |number| move |problem| Failure { problem, number };
        let spend = |[messages, _]: &mut [Budget; 2]| messages.spend(1, looker.messages, now_ms);
        self.spend(looker, now_ms, spend)
            .map_err(|wait_ms| too_many("messages", looker.messages, wait_ms))
            .map_err(failure(None))?;
        let unfit = |error| Kind::Invalid.because(format!("the message is not as it should be: {error}"));
        let heard: Heard = json::read(text).map_err(unfit).map_err(failure(None))?;
        let (Heard::Watch(Patterns { number, .. }) | Heard::Unwatch(Patterns { number, .. })) = &heard;
        let number = Some(*number);
        checked(heard, looker).map_err(failure(number))
    }

    /// Counts so many leases that are asked for.
    ///
    /// # Errors
    /// In how many ms as many will be allowed again.
    pub fn look_up(&self, looker: &Looker, count: usize, now_ms: f64) -> Result<(), Problem> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.spend(looker, now_ms, |[_, lookups]| lookups.spend(count, looker.lookups, now_ms))
            .map_err(|wait_ms| too_many("lookups", looker.lookups, wait_ms))
    }

    /// Counts so many leases more, which have been looked up already: how many there are was not known before. They are not refused, but what
    /// is asked for next may be.
    pub fn looked_up(&self, looker: &Looker, count: usize, now_ms: f64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.spend(looker, now_ms, |[_, lookups]| lookups.owe(count, looker.lookups, now_ms));
    }

    fn spend<T>(&self, looker: &Looker, now_ms: f64, spend: impl FnOnce(&mut [Budget; 2]) -> T) -> T {
        self.0.borrow_mut().spend(&looker.name, now_ms, spend)
    }
}

/// A socket that watches so many would watch too many with so many more. `None`: it may.
#[must_use]
pub fn too_many_watched(watched: u64, more: usize) -> Option<Problem> {
    let detail = || format!("{watched} are watched already and {more} more are asked for, allowed are {WATCHED}");
    (watched + more as u64 > WATCHED).then(|| Kind::TooLarge.because(detail()))
}

fn checked(heard: Heard, looker: &Looker) -> Result<Heard, Problem> {
    let (Heard::Watch(patterns) | Heard::Unwatch(patterns)) = &heard;
    patterns.keys.iter().try_for_each(|key| looker.may_within(key.as_str()))?;
    for prefix in &patterns.prefixes {
        if prefix.len() > Key::MAX_LEN {
            let detail = format!("a prefix has {} bytes, allowed are {}", prefix.len(), Key::MAX_LEN);
            return Err(Kind::Invalid.because(detail));
        }
        looker.may_within(prefix)?;
    }
    Ok(heard)
}
