//! `lessor run`: a command that runs only while this process leads.

use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;
use crate::storage::StorageArguments;

/// Run a command only while this process leads: of many, one at a time
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    storage: StorageArguments,
}

pub(crate) fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let _ = arguments.storage;
    Ok(ExitCode::SUCCESS)
}
