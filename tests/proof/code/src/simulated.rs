//! A run of the simulator: what its storage judged, and which reigns began.

use std::io::{Result, Write};

use lessor::storage::{Acquired, Renewed, Reply};
use lessor_simulation::{Judged, Logged, Plan, Protocol, logged};

use crate::words;

pub(crate) fn write(out: &mut impl Write, seed: u64) -> Result<()> {
    let (outcome, log) = logged(Plan::new(seed, Protocol::Lessor, None));
    for line in &log {
        match line {
            Logged::Began { seat, row, term } => writeln!(out, "began {seat} {row} {}", term.get())?,
            Logged::Judged(judged) => tell(out, judged)?,
        }
    }
    let broken = outcome.broken.map_or_else(String::new, |broken| format!(" {}: {}", broken.rule, broken.text));
    writeln!(out, "end{broken}")
}

fn tell(out: &mut impl Write, judged: &Judged) -> Result<()> {
    let Judged { row, seat, losses, is_swapped, before, request, now_ms, seed, reply, after } = judged;
    let seat = seat.map_or_else(|| "-".into(), |seat| seat.to_string());
    let by = if *is_swapped { "swapped" } else { "judged" };
    // A storage that has lost data answers nothing yet.
    let answer = match reply {
        Reply::Acquired(Acquired::Refused { lease: None, .. }) => "frozen".into(),
        Reply::Renewed(Renewed::Lost { lease: None, .. }) if before.is_some() => "frozen".into(),
        _ => words::reply(reply),
    };
    let written = if before == after { "=".into() } else { words::record(after.as_ref()) };
    let (before, request) = (words::record(before.as_ref()), words::request(request));
    writeln!(out, "{by} {row} {seat} {losses}|{before}|{request}|{now_ms} {}|{answer}|{written}", seed.get())
}
