//! How the program ends: as a code for scripts, and in words for people.

use std::fmt;
use std::process::ExitCode;

use crate::output::say;

/// What scripts ask for is not so: nobody leads, or somebody else does.
pub(crate) const NO: u8 = 1;
pub(crate) const USAGE: u8 = 120;
const STORAGE: u8 = 123;
const FAILED: u8 = 125;
/// As a shell has it of a program that SIGPIPE ended.
const UNREAD: u8 = 141;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Exit {
    /// An argument is wrong.
    Usage(String),
    /// The storage cannot be reached or used.
    Storage(String),
    /// What was asked for was not done, since it is not as it was said to be.
    Refused(String),
    /// Nobody reads what is written any more.
    Unread,
    /// Anything else.
    Failed(String),
}

impl Exit {
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Storage(_) => STORAGE,
            Self::Refused(_) => NO,
            Self::Unread => UNREAD,
            Self::Failed(_) => FAILED,
        }
    }

    /// Says why, to the standard error.
    pub(crate) fn explain(self) -> ExitCode {
        if !matches!(self, Self::Unread) {
            say(format_args!("lessor: {self}"));
        }
        ExitCode::from(self.code())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(why) => write!(f, "the storage fails: {why}"),
            Self::Usage(why) | Self::Refused(why) | Self::Failed(why) => f.write_str(why),
            Self::Unread => f.write_str("nobody reads the output"),
        }
    }
}

/// Help and the version are no errors.
pub(crate) fn of_arguments(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
