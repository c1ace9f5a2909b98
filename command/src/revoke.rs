//! `lessor revoke` and `lessor resign`: a lease is taken from its leader.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use clap::Args;
use lessor::storage::Revoke;
use lessor::{Id, Key, Lease, StorageExt, Term};
use serde::Serialize;

use crate::duration;
use crate::exit::Exit;
use crate::output::{self, Output, OutputArguments, say};
use crate::seen::{self, State};
use crate::storage::{Asked, Asking};

/// Take a key from its leader by force: it is free at once, in a new term
///
/// The leader learns of it at its next renewal, and believes in its leadership until then, or until its lease ends by itself. So two may
/// work for that long: this is for a leader that is known to be gone, and for resources that refuse older terms. `lessor resign` has no such
/// overlap.
#[derive(Args, Debug)]
pub(crate) struct RevokeArguments {
    /// What is led
    key: Key,
    /// Only if it is led in this term
    #[arg(long, value_parser = term)]
    term: Option<Term>,
    /// Do not ask first
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

/// Have a leader resign: it stops at its next renewal, and nobody leads beside it
///
/// The key moves to a new term at once. Nobody is granted it before the lease would have ended: until then its leader may not have heard of it.
#[derive(Args, Debug)]
pub(crate) struct ResignArguments {
    /// What is led
    key: Key,
    /// Who leads it: if somebody else does by now, nothing is done
    #[arg(long, value_name = "ID")]
    of: Id,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

fn term(text: &str) -> Result<Term, String> {
    text.parse().ok().and_then(Term::new).ok_or_else(|| format!("allowed is 1 to {}", Term::LAST))
}

/// What was done, for programs.
#[derive(Serialize)]
struct Taken<'a> {
    key: &'a Key,
    /// The one that nobody leads in, if that could be seen.
    term: Option<Term>,
    /// As it was before.
    lease: &'a Lease,
}

pub(crate) async fn revoke(arguments: RevokeArguments) -> Result<ExitCode, Exit> {
    let RevokeArguments { key, term, yes, asked, output } = arguments;
    let asking = asked.connect().await?;
    let lease = asking.ask(asking.storage.get(&key)).await?;
    let lease = match lease {
        // Also what was revoked before and waits for its lease's end.
        Some(lease) if matches!(State::of(Some(&lease)), State::Led | State::HeldBack) => lease,
        _ => return Err(Exit::Refused(format!("nobody leads {key}"))),
    };
    if let Some(term) = term.filter(|term| *term != lease.term) {
        return Err(Exit::Refused(format!("{key} is in term {}, not in {term}: nothing was done", lease.term)));
    }
    if !yes {
        confirm(&key, &lease)?;
    }
    let term = lease.term;
    take(&asking, key, Revoke::now, Some(term), output, "it is free now").await
}

pub(crate) async fn resign(arguments: ResignArguments) -> Result<ExitCode, Exit> {
    let ResignArguments { key, of, asked, output } = arguments;
    let asking = asked.connect().await?;
    let lease = asking.ask(asking.storage.get(&key)).await?;
    let lease = match lease {
        Some(lease) if lease.is_live() => lease,
        _ => return Err(Exit::Refused(format!("nobody leads {key}"))),
    };
    if lease.id.as_ref() != Some(&of) {
        return Err(Exit::Refused(format!("{} leads {key}, not {of}: nothing was done", seen::leader(&lease))));
    }
    let free = format!("it is free in {} at the latest", duration::shown(lease.time_left));
    take(&asking, key, |revoke, _| revoke, Some(lease.term), output, &free).await
}

async fn take(
    asking: &Asking,
    key: Key,
    how: impl FnOnce(Revoke, bool) -> Revoke,
    of: Option<Term>,
    output: OutputArguments,
    then: &str,
) -> Result<ExitCode, Exit> {
    let revoke = how(Revoke::new(key.clone()), true).term(of);
    let Some(before) = asking.ask(asking.storage.revoke(revoke)).await? else {
        return Err(Exit::Refused(format!("{key} is in other hands by now: nothing was done")));
    };
    // It was taken, whatever is heard from now on.
    let term = match asking.ask(asking.storage.get(&key)).await {
        Ok(after) => after.and_then(|after| nobodys(asking, &before, &after)),
        Err(error) => {
            say(format_args!("lessor: {key} was taken; in which term it is now cannot be seen: {error}"));
            None
        }
    };
    match output.output {
        Output::Json => output::write_json(&Taken { key: &key, term, lease: &before })?,
        Output::Text => output::write(|out| {
            writeln!(out, "{} was taken from {}, who led in term {}: {then}", key, seen::leader(&before), before.term)
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The term of the revoke, seen after it. `None`: others were granted the key meanwhile, so it is a term of theirs that is seen.
fn nobodys(asking: &Asking, before: &Lease, after: &Lease) -> Option<Term> {
    let is_next = !asking.counts_terms() || Some(after.term) == before.term.next();
    (after.id.is_none() && is_next).then_some(after.term)
}

/// Asks whoever sits there.
fn confirm(key: &Key, lease: &Lease) -> Result<(), Exit> {
    if !io::stdin().is_terminal() {
        return Err(Exit::Usage("nobody can be asked here: --yes says that it is meant".to_owned()));
    }
    say(format_args!(
        "{} leads {key} in term {}, and may go on until its next renewal, or for {}. Whoever is granted {key} meanwhile works beside it.\n\
         Take it by force? Then say yes:",
        seen::leader(lease),
        lease.term,
        duration::shown(lease.time_left),
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Exit::failed)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Exit::Refused("nothing was done".to_owned())) }
}
