//! What tells two states of an [`Election`] apart: a hash of its `Debug` form, without the fields that decide nothing.
//!
//! Stateright knows a state by its hash alone, so a field may be left out only if two elections that differ in nothing
//! else have the same behaviours. For these they have, in this model:
//!
//! * **When the next request is due**: `next_at`, and what nothing but that is computed from: `pace`, `failures`
//!   (without `fall_back_after`), `woken`, `looks_again` (and how old an answer to a claim may be: here none is old), the serials `value.serial` and `in_flight.serial`, `sighting.vacant_at`
//!   (without `takeover_guard` and `takeover_delay`), `vacancy` and `sighting.is_anothers` (without `claim_delay`). An election reads `next_at` only to decide whether to send now,
//!   and the model never leaves that to it. [`Action::Send`](crate::Action::Send) is possible in any state without a
//!   request in flight: it hands in `Wakeup`, which makes a follower's claim due, and `SetValue`, which makes a leader's
//!   renewal due. In every other transition a poll that answers with a request is undone, as if the executor had not
//!   come to it yet. So of two elections that differ only in these fields each may send at any tick, and each may wait.
//!   Two delays remain. The end of the cool-off, in `phase`, is part of the hash. The pause after a failed release is
//!   shorter than a tick, so that a release is due in each tick but the one in which it failed, and that is part of the
//!   hash of a [`Seat`](crate::seat).
//! * **What is only shown**: `leader`, `last_error`, `last_success`, `stored` (the serial that the storage has seen), and
//!   of a reign `jeopardy`, `version`, and `began` (without `min_hold`). They decide which events come, and what these
//!   and the status say. Of these the model looks only at `Elected` and at the term and its deadline, which do not
//!   depend on them.
//! * **`now`**, the newest reading of the clock: every input and every poll comes with a reading, the clocks of the
//!   model never go back, so `now` is overwritten before it is read.
//! * **What never changes**: `key`, `config`, `profile`, `is_paced`, `value.value` (always none), `places` (always none), `claim_delay` (always zero), `sighting.ttl`.
//!
//! `phase` is hashed whole, but for what is left out of the reign that it may hold: a reign is left out of by the name
//! of its struct, wherever that is.
//!
//! A `Session` is not printed. The model numbers the sessions of a seat and hashes the newest number: an election uses
//! its newest session, or none, and releases the one before.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher};

use lessor::election::Election;

/// Left out, as the name of the struct and that of the field.
const LEFT_OUT: &[(&str, &str)] = &[
    ("Election", "key"),
    ("Election", "config"),
    ("Election", "profile"),
    ("Election", "is_paced"),
    ("Election", "pace"),
    ("Election", "now"),
    ("Election", "value"),
    ("Election", "stored"),
    ("Election", "places"),
    ("Election", "claim_delay"),
    ("Election", "vacancy"),
    ("Election", "leader"),
    ("Election", "next_at"),
    ("Election", "woken"),
    ("Election", "looks_again"),
    ("Election", "failures"),
    ("Election", "last_error"),
    ("Election", "last_success"),
    ("InFlight", "serial"),
    ("Reign", "version"),
    ("Reign", "began"),
    ("Reign", "jeopardy"),
    ("Sighting", "is_anothers"),
    ("Sighting", "ttl"),
];

/// Left out as well where an expired lease is simply left to the storage's clock.
const WITHOUT_GUARD: (&str, &str) = ("Sighting", "vacant_at");

/// The structs that a field is left out of. The name of a struct comes before its first bracket.
const STRUCTS: [&str; 4] = ["Election", "InFlight", "Reign", "Sighting"];

/// The hash of an election.
pub(crate) fn fingerprint(election: &Election) -> u64 {
    let guarded = election.config().takeover_guard || !election.config().takeover_delay.is_zero();
    let mut fields = Fields { guarded, ..Fields::new(DefaultHasher::new()) };
    // The writer never fails.
    let _ = write!(fields, "{election:?}");
    fields.into.finish()
}

/// Takes the `Debug` form apart: a derived one writes each bracket, name and separator as a string of its own.
struct Fields<H> {
    into: H,
    guarded: bool,
    open: Vec<Bracket>,
    /// What was written last, if that is the name of one of the [`STRUCTS`].
    last: &'static str,
    /// The next string is the name of a field.
    name_next: bool,
    /// The depth of the struct of a field that is left out.
    skipping: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// Of this struct, or of another one: "".
    Struct(&'static str),
    Other,
}

/// Where a piece of the `Debug` form goes.
trait Sink {
    fn text(&mut self, text: &str);
    fn name(&mut self, parent: &str, name: &str);
}

impl Sink for DefaultHasher {
    fn text(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.write_u8(0xff);
    }

    fn name(&mut self, _: &str, name: &str) {
        self.text(name);
    }
}

impl<H: Sink> Fields<H> {
    const fn new(into: H) -> Self {
        Self { into, guarded: true, open: Vec::new(), last: "", name_next: false, skipping: None }
    }

    fn name(&mut self, name: &str) {
        let Some(Bracket::Struct(parent)) = self.open.last().copied() else { return };
        if LEFT_OUT.contains(&(parent, name)) || (!self.guarded && WITHOUT_GUARD == (parent, name)) {
            self.skipping = Some(self.open.len());
        } else {
            self.into.name(parent, name);
        }
    }
}

impl<H: Sink> Write for Fields<H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let last = std::mem::replace(&mut self.last, STRUCTS.into_iter().find(|name| *name == text).unwrap_or(""));
        if self.name_next {
            self.name_next = false;
            self.name(text);
            return Ok(());
        }
        let depth = self.open.len();
        match text {
            " { " => {
                self.open.push(Bracket::Struct(last));
                self.name_next = self.skipping.is_none();
            }
            "(" | "[" => self.open.push(Bracket::Other),
            ")" | "]" => {
                self.open.pop();
            }
            " }" => {
                self.open.pop();
                self.skipping.take_if(|at| *at == depth);
            }
            ", " if matches!(self.open.last(), Some(Bracket::Struct(_)))
                && self.skipping.is_none_or(|at| at == depth) =>
            {
                self.skipping = None;
                self.name_next = true;
                return Ok(());
            }
            _ => {}
        }
        if self.skipping.is_none() {
            self.into.text(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
