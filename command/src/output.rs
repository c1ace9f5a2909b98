//! What is written, and to whom.

use std::fmt;
use std::io::{self, BufWriter, Write};

use anstream::AutoStream;
use clap::ValueEnum;
use serde::Serialize;

use crate::exit::Exit;

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// For programs: the README has every field
    Json,
}

#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct OutputArguments {
    /// How the answer is written
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// For people, to the standard error. Where nobody reads that any more nothing is lost but the words.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}

/// To the standard output: with colours if that is a terminal, and nobody said otherwise (`NO_COLOR`).
pub(crate) fn write(what: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Exit> {
    let mut out = BufWriter::new(AutoStream::auto(io::stdout().lock()));
    what(&mut out).and_then(|()| out.flush()).map_err(unread)
}

/// One document, on a line of its own.
pub(crate) fn write_json(what: &impl Serialize) -> Result<(), Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, what).map_err(|error| unread(error.into()))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(unread)
}

/// Whether nobody is there any more who could read the standard output: a pipe's reader has ended, a terminal is gone.
#[cfg(unix)]
pub(crate) fn is_unread() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// It shows when something is written.
#[cfg(not(unix))]
pub(crate) fn is_unread() -> bool {
    false
}

fn unread(error: io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Exit::Unread
    } else {
        Exit::Failed(format!("the standard output fails: {error}"))
    }
}
