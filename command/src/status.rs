//! `lessor status`: who leads a key.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use lessor::{Id, Key, Lease, StorageExt};
use tokio::time::{Instant, sleep};

use crate::exit::{Exit, NO};
use crate::output::{self, Output, OutputArguments};
use crate::seen::{self, Seen, State};
use crate::storage::{Asked, Asking};

/// Show who leads a key: in which term, since when, and for how long yet
///
/// Ends with 0 if somebody leads, and with 1 if nobody does. On etcd, NATS and buckets one look cannot tell a leader from one that is gone: there it
/// shows either as `led`, unless --sure is said.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What is led
    key: Key,
    /// End with 0 only if this one leads
    #[arg(long, value_name = "ID")]
    of: Option<Id>,
    /// Where one look cannot tell, wait until the leader has renewed its lease, or has not for as long as it lasts
    #[arg(long)]
    sure: bool,
    /// Say nothing: the exit code tells
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let Arguments { key, of, sure, quiet, asked, output } = arguments;
    let asking = asked.connect().await?;
    let mut lease = asking.ask(asking.storage.get(&key)).await?;
    if sure {
        lease = surely(&asking, &key, lease).await?;
    }
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

/// A storage without a clock tells no [age](Lease::age), and takes what it sees for the first time for live: it is known to be once it has changed. What does not has
/// ended when its time has passed.
async fn surely(asking: &Asking, key: &Key, lease: Option<Lease>) -> Result<Option<Lease>, Exit> {
    let mut first = match lease {
        Some(lease) if lease.is_live() && lease.age.is_none() => lease,
        known => return Ok(known),
    };
    let (began, pause) = (Instant::now(), first.ttl / 10);
    loop {
        let left = first.time_left.saturating_sub(began.elapsed());
        sleep(left.min(pause)).await;
        if left <= pause {
            // To ask once more would have the storage write that down, and who looks has no right to write.
            first.time_left = Duration::ZERO;
            return Ok(Some(first));
        }
        let now = asking.ask(asking.storage.get(key)).await?;
        if now.as_ref().is_none_or(|now| (now.term, now.version) != (first.term, first.version)) {
            return Ok(now);
        }
    }
}
