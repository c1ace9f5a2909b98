//! What can be asked for on the command line.

use clap::{Parser, Subcommand};

use crate::list;
use crate::run;
#[cfg(feature = "serve")]
use crate::serve;

/// Leases for people and scripts, on any storage: of many, one leads.
#[derive(Debug, Parser)]
#[command(name = "lessor", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::Arguments),
    List(list::Arguments),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Arguments>),
}
