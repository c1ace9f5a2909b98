//! Writes down what the code does, for the model of `tests/proof` to be held to: the storage's verdicts, and runs of elections.

mod network;
mod random;
mod runs;
mod simulated;
mod table;
mod words;

use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use lexopt::prelude::*;

use runs::Plan;

const HELP: &str = "\
  table                         the verdict of Record::judge on every small record, request, time and seed
                                (an error if the simulator's model says something else)
  runs --seed N --steps N       a run of elections under faults; --guard: with the take-over guard, and a storage's clock that jumps;
                                --delay: one of them has a take-over delay; --slot N: of two slots, what happens to this one
  simulated --seed N            what the simulator's storage judges in a run of this seed";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut command, mut seed, mut steps, mut guard) = (String::new(), 0, 4_000, false);
    let (mut delay, mut slot) = (false, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(word) if command.is_empty() => command = word.string()?,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("steps") => steps = parser.value()?.parse()?,
            Long("guard") => guard = true,
            Long("delay") => delay = true,
            Long("slot") => slot = Some(parser.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut out = BufWriter::new(stdout().lock());
    match command.as_str() {
        "table" => table::write(&mut out)?,
        "runs" => runs::write(&mut out, Plan { seed, steps, guard, delay, slot })?,
        "simulated" => simulated::write(&mut out, seed)?,
        _ => writeln!(out, "{HELP}")?,
    }
    Ok(out.flush()?)
}
