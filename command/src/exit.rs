//! How the program ends: as a code for scripts, and in words for people.

use std::fmt;
use std::process::ExitCode;

use crate::output::say;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Exit {
    /// An argument is wrong.
    Usage(String),
    /// The storage cannot be reached or used.
    Storage(String),
    /// Anything else.
    Failed(String),
}

impl Exit {
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 120,
            Self::Storage(_) => 123,
            Self::Failed(_) => 125,
        }
    }

    /// Says why, to the standard error.
    pub(crate) fn explain(self) -> ExitCode {
        say(format_args!("lessor: {self}"));
        ExitCode::from(self.code())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(why) => write!(f, "the storage fails: {why}"),
            Self::Usage(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Help and the version are no errors.
pub(crate) fn of_arguments(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(120) } else { ExitCode::SUCCESS }
}
