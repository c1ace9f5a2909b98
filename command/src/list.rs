//! `lessor list`: who leads what.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use lessor::storage::{Entry, List};
use lessor::{Key, StorageExt};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, Output, OutputArguments};
use crate::seen::{self, Seen, State};
use crate::storage::{Asked, Asking};
use crate::table::{self, Row};

pub(crate) const HEADS: [&str; 6] = ["KEY", "STATE", "LEADER", "TERM", "LEFT", "VALUE"];

/// Show the leases of all keys, or of those that begin with a prefix
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How the keys begin
    #[arg(default_value = "")]
    prefix: String,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Serialize)]
struct Listed<'a> {
    keys: Vec<Seen<'a>>,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let entries = all(&arguments.asked.connect().await?, &arguments.prefix).await?;
    match arguments.output.output {
        Output::Json => {
            let keys = entries.iter().map(|entry| Seen::new(&entry.key, Some(&entry.lease))).collect();
            output::write_json(&Listed { keys })?;
        }
        Output::Text => {
            let rows: Vec<_> = entries.iter().map(row).collect();
            output::write(|out| table::write(out, HEADS, &rows, width()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A page after the other: each lease is a look by itself.
pub(crate) async fn all(asking: &Asking, prefix: &str) -> Result<Vec<Entry>, Exit> {
    let (mut entries, mut start) = (Vec::new(), None::<Key>);
    loop {
        let page = List::new().prefix(prefix).start(start).limit(List::MAX_LIMIT);
        let page = asking.ask(asking.storage.list(page)).await?;
        entries.extend(page.entries);
        start = page.next;
        if start.is_none() {
            return Ok(entries);
        }
    }
}

pub(crate) fn row(entry: &Entry) -> Row<6> {
    let Entry { key, lease, .. } = entry;
    let state = State::of(Some(lease));
    let value = lease.value.as_ref().map(|value| seen::plain(value.as_str())).unwrap_or_default();
    let texts = [
        seen::plain(key.as_str()),
        state.words().to_owned(),
        seen::leader(lease),
        lease.term.to_string(),
        seen::left(lease),
        value,
    ];
    Row { style: state.style(), texts }
}

/// Of the terminal, if it is one.
pub(crate) fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    crossterm::terminal::size().ok().map(|(columns, _)| columns.into())
}
