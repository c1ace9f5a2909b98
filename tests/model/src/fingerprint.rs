//! What tells two states of an [`Election`] apart: a hash of its `Debug` form, without the fields that decide nothing.
//!
//! Stateright knows a state by its hash alone, so a field may be left out only if two elections that differ in nothing
//! else have the same behaviours. For these they have, in this model:
//!
//! * **When the next request is due**: `next_at`, and what nothing but that is computed from: `pace`, `failures`
//!   (without `fall_back_after`), `woken`, `values` and `in_flight.value`, `sighting.vacant_at` (without
//!   `takeover_guard` and `takeover_delay`). An election reads `next_at` only to decide whether to send now, and the
//!   model never leaves that to it. [`Action::Send`](crate::Action::Send) is possible in any state without a request in
//!   flight: it hands in `Wakeup`, which makes a follower's claim due, and `SetValue`, which makes a leader's renewal
//!   due. In every other transition a poll that answers with a request is undone, as if the executor had not come to
//!   it yet. So of two elections that differ only in these fields each may send at any tick, and each may wait. Two
//!   delays remain. `cool_off_until` is part of the hash. The pause after a failed release is shorter than a tick, so
//!   that a release is due in each tick but the one in which it failed, and that is part of the hash of a
//!   [`Seat`](crate::seat).
//! * **What is only shown**: `leader`, `last_error`, `last_success`, `reign.jeopardy`, `reign.version`, and
//!   `reign.began` (without `min_hold`). They decide which events come. Of these the model looks only at `Elected`,
//!   which does not depend on them.
//! * **`now`**, the newest reading of the clock: every input and every poll comes with a reading, the clocks of the
//!   model never go back, so `now` is overwritten before it is read.
//! * **What never changes**: `key`, `config`, `holder`, `value` (always none), `sighting.ttl`.
//!
//! A `Session` is not printed. The model numbers the sessions of a seat and hashes the newest number: an election uses
//! its newest session, or none, and releases the one before.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher};

use lessor::Election;

/// Left out, as the name of the field and that of the field around it.
const LEFT_OUT: &[(&str, &str)] = &[
    ("", "key"),
    ("", "config"),
    ("", "holder"),
    ("", "pace"),
    ("", "now"),
    ("", "value"),
    ("", "values"),
    ("", "leader"),
    ("", "next_at"),
    ("", "woken"),
    ("", "failures"),
    ("", "last_error"),
    ("", "last_success"),
    ("in_flight", "value"),
    ("reign", "version"),
    ("reign", "began"),
    ("reign", "jeopardy"),
    ("sighting", "ttl"),
];

/// Left out as well where an expired lease is simply left to the storage's clock.
const WITHOUT_GUARD: (&str, &str) = ("sighting", "vacant_at");

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
    /// The next string is the name of a field.
    name_next: bool,
    /// The fields around, each with the depth of its struct.
    inside: Vec<(usize, &'static str)>,
    /// The depth of the struct of a field that is left out.
    skipping: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Struct,
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

/// The fields that hold others of interest.
const PARENTS: [&str; 6] = ["reign", "in_flight", "sighting", "release", "ending", "events"];

impl<H: Sink> Fields<H> {
    const fn new(into: H) -> Self {
        Self { into, guarded: true, open: Vec::new(), name_next: false, inside: Vec::new(), skipping: None }
    }

    fn name(&mut self, name: &str) {
        let depth = self.open.len();
        self.leave(depth);
        let parent = self.inside.last().map_or("", |(_, parent)| parent);
        if LEFT_OUT.contains(&(parent, name)) || (!self.guarded && WITHOUT_GUARD == (parent, name)) {
            self.skipping = Some(depth);
            return;
        }
        self.into.name(parent, name);
        if let Some(parent) = PARENTS.iter().find(|parent| **parent == name) {
            self.inside.push((depth, parent));
        }
    }

    /// The fields from this depth on are over.
    fn leave(&mut self, depth: usize) {
        while self.inside.last().is_some_and(|(at, _)| *at >= depth) {
            self.inside.pop();
        }
    }
}

impl<H: Sink> Write for Fields<H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.name_next {
            self.name_next = false;
            self.name(text);
            return Ok(());
        }
        let depth = self.open.len();
        match text {
            " { " => {
                self.open.push(Bracket::Struct);
                self.name_next = self.skipping.is_none();
            }
            "(" | "[" => self.open.push(Bracket::Other),
            ")" | "]" => {
                self.open.pop();
            }
            " }" => {
                self.open.pop();
                self.leave(depth);
                self.skipping.take_if(|at| *at == depth);
            }
            ", " if self.open.last() == Some(&Bracket::Struct) && self.skipping.is_none_or(|at| at == depth) => {
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
