//! `lessor run` on a system without process groups.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;

/// Run a command only while this process leads: not on this system
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Whatever it is
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    all: Vec<OsString>,
}

pub(crate) fn perform(arguments: &Arguments) -> Result<ExitCode, Exit> {
    let _ = &arguments.all;
    Err(Exit::Failed("`lessor run` ends its command by signals to a process group: it needs a Unix".into()))
}
