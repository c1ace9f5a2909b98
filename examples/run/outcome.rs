//! How it ended, for people and as an exit code.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use rustix::process::Signal;

use crate::options::Options;

pub(crate) const USAGE: u8 = 120;
const NOT_ELECTED: u8 = 121;
const LOST: u8 = 122;
const STORAGE: u8 = 123;
const TIMED_OUT: u8 = 124;
const FAILED: u8 = 125;
const NOT_STARTED: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) enum Outcome {
    /// The command ended by itself, or by what somebody else did.
    Ended(ExitStatus),
    /// Within the time to wait. Why.
    NotElected(String),
    /// Leadership was in jeopardy or is over: the command was ended.
    Lost(String),
    Usage(String),
    Storage(String),
    TimedOut,
    /// While there was no command.
    Signalled(Signal),
    NotStarted(std::io::Error),
    Failed(String),
}

impl Outcome {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Ended(status) => match (status.code(), status.signal()) {
                (Some(code), _) => u8::try_from(code).unwrap_or(FAILED),
                (None, signal) => by_signal(signal.unwrap_or(0)),
            },
            Self::NotElected(_) => NOT_ELECTED,
            Self::Lost(_) => LOST,
            Self::Usage(_) => USAGE,
            Self::Storage(_) => STORAGE,
            Self::TimedOut => TIMED_OUT,
            Self::Signalled(signal) => by_signal(signal.as_raw()),
            Self::NotStarted(error) if error.kind() == std::io::ErrorKind::NotFound => NOT_FOUND,
            Self::NotStarted(_) => NOT_STARTED,
            Self::Failed(_) => FAILED,
        })
    }

    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Ended(status) if status.success())
    }

    /// To the standard error, as far as it is wanted.
    pub(crate) fn explain(&self, options: &Options) {
        if !matches!(self, Self::Ended(_) | Self::Signalled(_)) || !options.quiet {
            eprintln!("run: {}: {self}", options.key);
        }
    }
}

fn by_signal(number: i32) -> u8 {
    u8::try_from(128 + number).unwrap_or(FAILED)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) => write!(f, "the command ended: {status}"),
            Self::NotElected(why) => write!(f, "not elected: {why}"),
            Self::Lost(why) => write!(f, "the command was ended: {why}"),
            Self::Storage(why) => write!(f, "the storage fails: {why}"),
            Self::TimedOut => f.write_str("the command was ended: --timeout has passed"),
            Self::Signalled(signal) => write!(f, "ended by signal {}", signal.as_raw()),
            Self::NotStarted(error) => write!(f, "the command cannot be started: {error}"),
            Self::Usage(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}
