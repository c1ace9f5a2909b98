//! `lessor migrate`: creates what a storage needs.

use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;
use crate::output;
use crate::storage::{Asked, not_opened};

/// Create what the storage needs before it can be used, if it is missing: a table, a bucket
///
/// `run` and `serve` do it, too, when they begin; who has not the right to create tables has somebody run what --print prints.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Do nothing: print the SQL
    #[arg(long)]
    print: bool,
    /// This is a first deployment, and nobody leads yet: without this word the first candidates on Redis wait for a minute, since what is
    /// missing there may have been lost. Leases that are there end by it, and two may lead: only while all candidates are stopped
    #[arg(long, conflicts_with = "print")]
    initialise: bool,
    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn perform(Arguments { print, initialise, asked }: Arguments) -> Result<ExitCode, Exit> {
    let url = &asked.storage.storage;
    if print {
        let sql = lessor_any::migration_sql(url).map_err(not_opened)?;
        let engine = lessor_any::engine(url).map_err(not_opened)?;
        let none = || format!("-- {engine} has no tables, and needs no SQL");
        output::write(|out| writeln!(out, "{}", sql.unwrap_or_else(none).trim_end()))?;
    } else if initialise {
        asked.within(lessor_any::initialise(url)).await?.map_err(not_opened)?;
        output::write(|out| writeln!(out, "the storage has all that it needs, and nobody leads"))?;
    } else {
        asked.within(lessor_any::migrate(url)).await?.map_err(not_opened)?;
        output::write(|out| writeln!(out, "the storage has all that it needs"))?;
    }
    Ok(ExitCode::SUCCESS)
}
