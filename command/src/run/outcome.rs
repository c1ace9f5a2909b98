//! How it ended, for people and as an exit code.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use rustix::process::Signal;

use crate::exit::Exit;

/// Unless the user says otherwise.
pub(super) const NOT_ELECTED: u8 = 121;
const LOST: u8 = 122;
const TIMED_OUT: u8 = 124;
const FAILED: u8 = 125;
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(super) enum Outcome {
    /// The command ended by itself, or by what somebody else did.
    Ended(ExitStatus),
    /// Within the time to wait. Why, and which code that has.
    NotElected(String, u8),
    /// Leadership was in jeopardy or is over: the command was ended.
    Lost(String),
    TimedOut,
    /// While there was no command.
    Signalled(Signal),
    NotStarted(std::io::Error),
    /// As any command of this program fails.
    Failed(Exit),
}

impl Outcome {
    pub(super) fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(Exit::failed(why))
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Ended(status) => match (status.code(), status.signal()) {
                (Some(code), _) => u8::try_from(code).unwrap_or(FAILED),
                (None, signal) => by_signal(signal.unwrap_or(0)),
            },
            Self::NotElected(_, code) => *code,
            Self::Lost(_) => LOST,
            Self::TimedOut => TIMED_OUT,
            Self::Signalled(signal) => by_signal(signal.as_raw()),
            Self::NotStarted(error) if error.kind() == std::io::ErrorKind::NotFound => NOT_FOUND,
            Self::NotStarted(_) => NOT_STARTED,
            Self::Failed(exit) => exit.code(),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Ended(status) if status.success())
    }

    /// Whether it is the command's own affair, or what somebody asked for.
    pub(super) fn is_as_asked(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Signalled(_) | Self::NotElected(_, 0))
    }
}

impl From<&Outcome> for ExitCode {
    fn from(outcome: &Outcome) -> Self {
        Self::from(outcome.code())
    }
}

fn by_signal(number: i32) -> u8 {
    u8::try_from(128 + number).unwrap_or(FAILED)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) => write!(f, "the command ended: {status}"),
            Self::NotElected(why, _) => write!(f, "not elected: {why}"),
            Self::Lost(why) => write!(f, "the command was ended: {why}"),
            Self::TimedOut => f.write_str("the command was ended: its time has passed"),
            Self::Signalled(signal) => write!(f, "ended by signal {}", signal.as_raw()),
            Self::NotStarted(error) => write!(f, "the command cannot be started: {error}"),
            Self::Failed(exit) => exit.fmt(f),
        }
    }
}
