//! `lessor list`: who leads what.

use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;
use crate::storage::StorageArguments;

/// Show the leases of all keys, or of those that begin with a prefix
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How the keys begin
    #[arg(default_value = "")]
    prefix: String,
    #[command(flatten)]
    storage: StorageArguments,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let _ = (arguments.storage.open().await?, arguments.prefix);
    Ok(ExitCode::SUCCESS)
}
