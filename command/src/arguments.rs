//! What can be asked for on the command line.

use clap::{Parser, Subcommand};

#[cfg(feature = "http")]
use crate::history;
#[cfg(feature = "serve")]
use crate::serve;
use crate::{check, list, manual, migrate, revoke, run, status, version, watch};

/// Leases for people and scripts, on any storage: of many, one leads
///
/// Exit codes: 0, it is done; 1, what was asked for is not so, or was not done; 120, an argument is wrong; 123, the storage fails;
/// 125, this program failed. `run` has others, too.
#[derive(Debug, Parser)]
#[command(name = "lessor", version, long_version = version::long(), propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<run::Arguments>),
    List(list::Arguments),
    Status(status::Arguments),
    Watch(watch::Arguments),
    #[cfg(feature = "http")]
    History(history::Arguments),
    Resign(revoke::ResignArguments),
    Revoke(revoke::RevokeArguments),
    Check(check::Arguments),
    Migrate(migrate::Arguments),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Arguments>),
    Completions(manual::CompletionsArguments),
    Manual(manual::ManualArguments),
}
