//! What the program is asked to do.

use std::time::Duration;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Processes share many keys; one is killed, and comes back.

  --storage URL    where the leases are (default: an SQLite file that is removed at the end)
  --keys N         how many keys there are (default 10000)
  --processes N    how many processes share them, 2 to 20 (default 3)
  --ttl SECONDS    how long a lease lasts (default 10)
  --plain          lines instead of a picture, as when the output is no terminal
";

pub(crate) enum Mode {
    Help,
    /// One of the processes.
    Process(Options),
    Demonstration(Options),
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Empty: a file in a temporary folder.
    pub(crate) storage: String,
    pub(crate) keys: u32,
    pub(crate) processes: u32,
    pub(crate) ttl: Duration,
    pub(crate) plain: bool,
    /// The id of the process that this is.
    pub(crate) id: String,
}

pub(crate) fn from_args() -> Result<Mode, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut options = Options {
        storage: String::new(),
        keys: 10_000,
        processes: 3,
        ttl: Duration::from_secs(10),
        plain: false,
        id: String::new(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("storage") => options.storage = parser.value()?.string()?,
            Long("keys") => options.keys = parser.value()?.parse()?,
            Long("processes") => options.processes = parser.value()?.parse()?,
            Long("ttl") => {
                options.ttl =
                    Duration::try_from_secs_f64(parser.value()?.parse()?).map_err(|error| error.to_string())?
            }
            Long("plain") => options.plain = true,
            Long("process") => options.id = parser.value()?.string()?,
            Short('h') | Long("help") => return Ok(Mode::Help),
            other => return Err(other.unexpected()),
        }
    }
    if !(2..=20).contains(&options.processes) {
        return Err(format!("--processes is {}, allowed is 2 to 20", options.processes).into());
    }
    if options.keys < options.processes {
        return Err(format!("--keys is {}, fewer than there are processes", options.keys).into());
    }
    Ok(if options.id.is_empty() { Mode::Demonstration(options) } else { Mode::Process(options) })
}
