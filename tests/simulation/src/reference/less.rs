//! The Go package `less`, v0.2.3 (github.com/tymbaca/less), with its defaults and its SQL adapters.
//!
//! A candidate writes its id and a deadline by its own time of day. A row is free once its deadline has passed by the
//! time of day of whoever asks. `IsLeader` is a flag: a leader moves the deadline without a look at the owner, then
//! reads, and takes the flag back when it reads another id, or one pause after too many errors in a row. Nothing is
//! ever released.
//!
//! Simplified: time counts in ms, and all are in one time zone (the SQLite adapter compares dates as text). Kinder than
//! the original: a call has a timeout, where `less` waits for as long as its driver does.

use std::time::Duration;

use super::{Clocks, Failed, Reference, Todo};
use crate::random::Random;

#[cfg(test)]
mod tests;

const TTL: Duration = Duration::from_secs(10);
const FOLLOW_RATE: Duration = Duration::from_secs(2);
const HOLD_RATE: Duration = Duration::from_secs(2);
const ERRORS_TO_FALL_BACK: u32 = 3;
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// What goes to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Writes this row if there is none, or one whose deadline has passed at this time of the asker's day, in ms.
    SetNx(Row, i64),
    /// Moves the deadline to this, whoever holds the row.
    Renew(i64),
    /// Reads the row.
    Get,
}

/// What the database answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Whether the row was taken.
    Set(bool),
    /// The deadline was moved, if there was a row at all.
    Renewed,
    /// The row as it is.
    Got(Option<Row>),
}

/// The row of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    holder: u64,
    deadline_ms: i64,
}

impl Row {
    fn is_free(self, now_ms: i64) -> bool {
        self.deadline_ms < now_ms
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    SetNx,
    Renew,
    Get,
}

/// A candidate.
#[derive(Debug)]
pub struct Less {
    id: u64,
    is_leader: bool,
    /// In a row.
    errors: u32,
    step: Step,
    pause_until: Duration,
}

impl Less {
    fn follow(&mut self, now: Duration) {
        self.is_leader = false;
        self.step = Step::SetNx;
        self.pause_until = now + FOLLOW_RATE;
    }

    fn hold(&mut self, now: Duration) {
        self.step = Step::Renew;
        self.pause_until = now + HOLD_RATE;
    }
}

impl Reference for Less {
    const NAME: &'static str = "less";
    type Request = Request;
    type Answer = Answer;
    type Row = Row;

    fn start(id: u64, _: Random, clocks: Clocks) -> Self {
        Self { id, is_leader: false, errors: 0, step: Step::SetNx, pause_until: clocks.monotonic }
    }

    fn next(&mut self, clocks: Clocks) -> Todo<Request> {
        if clocks.monotonic < self.pause_until {
            return Todo::Wait { until: self.pause_until };
        }
        if self.is_leader && self.errors >= ERRORS_TO_FALL_BACK {
            self.follow(clocks.monotonic);
            return Todo::Wait { until: self.pause_until };
        }
        let now_ms = clocks.wall_ms;
        let deadline_ms = now_ms + TTL.as_millis() as i64;
        let request = match self.step {
            Step::SetNx => Request::SetNx(Row { holder: self.id, deadline_ms }, now_ms),
            Step::Renew => Request::Renew(deadline_ms),
            Step::Get => Request::Get,
        };
        Todo::Call { request, timeout: CALL_TIMEOUT }
    }

    fn answered(&mut self, clocks: Clocks, answer: Result<Answer, Failed>) {
        let now = clocks.monotonic;
        match answer {
            Ok(Answer::Set(true)) => {
                self.is_leader = true;
                self.errors = 0;
                self.step = Step::Renew;
            }
            Ok(Answer::Renewed) => self.step = Step::Get,
            // The adapter looks at the time of day when it has the row.
            Ok(Answer::Got(Some(row))) if row.holder == self.id && !row.is_free(clocks.wall_ms) => {
                self.errors = 0;
                self.hold(now);
            }
            Err(Failed) if self.is_leader => {
                self.errors += 1;
                self.hold(now);
            }
            Ok(Answer::Set(false) | Answer::Got(_)) | Err(Failed) => self.follow(now),
        }
    }

    fn is_leader(&self, _: Clocks) -> bool {
        self.is_leader
    }

    fn apply(row: &mut Option<Row>, request: &Request, _: u64) -> Answer {
        match request {
            Request::SetNx(new, now_ms) => {
                let free = row.is_none_or(|row| row.is_free(*now_ms));
                if free {
                    *row = Some(*new);
                }
                Answer::Set(free)
            }
            Request::Renew(deadline_ms) => {
                if let Some(row) = row {
                    row.deadline_ms = *deadline_ms;
                }
                Answer::Renewed
            }
            Request::Get => Answer::Got(*row),
        }
    }

    fn holder(row: &Row) -> (Option<u64>, Duration) {
        (Some(row.holder), TTL)
    }

    fn operation(request: &Request) -> &'static str {
        match request {
            Request::SetNx(..) => "setnx",
            Request::Renew(_) => "renew",
            Request::Get => "get",
        }
    }

    fn outcome(answer: &Answer) -> &'static str {
        match answer {
            Answer::Set(true) => "set",
            Answer::Set(false) => "held",
            Answer::Renewed => "renewed",
            Answer::Got(_) => "got",
        }
    }
}
