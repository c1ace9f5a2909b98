//! `lessor status`: who leads a key.

use std::process::ExitCode;

use clap::Args;
use lessor::{Id, Key, StorageExt};

use crate::exit::{Exit, NO};
use crate::output::{self, Output, OutputArguments};
use crate::seen::{self, Seen, State};
use crate::storage::Asked;

/// Show who leads a key: in which term, since when, and for how long yet
///
/// Ends with 0 if somebody leads, and with 1 if nobody does.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What is led
    key: Key,
    /// End with 0 only if this one leads
    #[arg(long, value_name = "ID")]
    of: Option<Id>,
    /// Say nothing: the exit code tells
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let Arguments { key, of, quiet, asked, output } = arguments;
    let asking = asked.connect().await?;
    let lease = asking.ask(asking.storage.get(&key)).await?;
    let state = State::of(lease.as_ref());
    match output.output {
        _ if quiet => {}
        Output::Json => output::write_json(&Seen::new(&key, lease.as_ref()))?,
        Output::Text => output::write(|out| {
            let style = state.style();
            writeln!(out, "key     {}", seen::plain(key.as_str()))?;
            writeln!(out, "state   {style}{}{style:#}", state.words())?;
            let Some(lease) = &lease else { return Ok(()) };
            if let Some(id) = &lease.id {
                writeln!(out, "leader  {}", seen::plain(id.as_str()))?;
            }
            writeln!(out, "term    {}", lease.term)?;
            if let Some(age) = lease.age {
                writeln!(out, "since   {} ({} ago)", seen::local(seen::before(age)), seen::age(lease))?;
            }
            if !lease.time_left.is_zero() {
                writeln!(out, "left    {}", seen::left(lease))?;
            }
            if let Some(value) = &lease.value {
                writeln!(out, "value   {}", seen::plain(value.as_str()))?;
            }
            Ok(())
        })?,
    }
    let leads = |id: &Id| lease.as_ref().is_some_and(|lease| lease.id.as_ref() == Some(id));
    let is_so = state == State::Led && of.as_ref().is_none_or(leads);
    Ok(if is_so { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}
