//! `lessor serve`: the lease service's HTTP API over any storage.

use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;
use crate::storage::StorageArguments;

/// Serve the leases of a storage over HTTP, to programs in any language
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    storage: StorageArguments,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let _ = arguments.storage.open().await?;
    Ok(ExitCode::SUCCESS)
}
