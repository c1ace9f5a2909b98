//! `lessor history`: who led a key before.

use std::process::ExitCode;

use clap::Args;
use lessor::{Id, Key, Term};
use lessor_http::ChangeKind;
use serde::Serialize;

use crate::duration;
use crate::exit::Exit;
use crate::output::{self, Output, OutputArguments};
use crate::seen;
use crate::storage::{Asked, failed, not_opened};

/// Show who led a key before, and who waits for it, as far as the storage keeps it: a lease service does
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What is led
    key: Key,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Serialize)]
struct Told<'a> {
    key: &'a Key,
    history: Vec<Entry>,
    waiting: Vec<Waiter>,
}

#[derive(Serialize)]
struct Entry {
    at: String,
    change: &'static str,
    id: Id,
    term: Term,
}

#[derive(Serialize)]
struct Waiter {
    id: Id,
    ago_ms: u64,
}

pub(crate) async fn perform(Arguments { key, asked, output }: Arguments) -> Result<ExitCode, Exit> {
    let Some(service) = lessor_any::service(&asked.storage.storage).map_err(not_opened)? else {
        return Err(Exit::Usage(
            "--storage keeps no history: a lease service does (https://token@host, or lessor serve)".to_owned(),
        ));
    };
    let history = asked.within(service.history(&key)).await?.map_err(failed)?;
    let waiting = asked.within(service.waiting(&key)).await?.map_err(failed)?;
    match output.output {
        Output::Json => {
            let entry = |change: lessor_http::Change| Entry {
                at: seen::rfc3339(seen::before(change.ago)),
                change: words(change.kind),
                id: change.id,
                term: change.term,
            };
            let waiter = |one: lessor_http::Waiter| Waiter {
                id: one.id,
                ago_ms: u64::try_from(one.ago.as_millis()).unwrap_or(u64::MAX),
            };
            let history = history.into_iter().map(entry).collect();
            output::write_json(&Told { key: &key, history, waiting: waiting.into_iter().map(waiter).collect() })?;
        }
        Output::Text => output::write(|out| {
            for change in &history {
                let (at, id) = (seen::local(seen::before(change.ago)), seen::plain(change.id.as_str()));
                writeln!(out, "{at}  term {:<6} {:<8} {id}", change.term.get(), words(change.kind))?;
            }
            for one in &waiting {
                writeln!(out, "{} waits: it asked {} ago", seen::plain(one.id.as_str()), duration::shown(one.ago))?;
            }
            Ok(())
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

const fn words(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Granted => "granted",
        ChangeKind::Released => "released",
        ChangeKind::Revoked => "revoked",
        ChangeKind::Expired => "expired",
        _ => "other",
    }
}
