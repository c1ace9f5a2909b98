//! What is to be seen meanwhile: on a terminal a line that changes in place, below the lines that stay.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use lessor::{Instant, Observer, SystemTimer, Timer};

use crate::Result;
use crate::cluster::{Node, State};
use crate::report::readable;

pub(crate) struct View {
    terminal: bool,
    drawn: Instant,
}

impl View {
    /// How long the line stays as it is.
    pub(crate) const PAUSE: Duration = Duration::from_millis(100);

    pub(crate) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: Instant::default() }
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        self.clear()?;
        // Not println: if nobody reads any more, the processes are still to be ended.
        Ok(writeln!(io::stdout(), "{line}")?)
    }

    /// The line that changes: who leads, as an observer sees it, and how the processes are.
    pub(crate) fn show(&mut self, nodes: &[Node], observer: Option<&Observer>) -> Result<()> {
        let now = SystemTimer::new().now();
        if !self.terminal || now.saturating_duration_since(self.drawn) < Self::PAUSE {
            return Ok(());
        }
        self.drawn = now;
        let mut line = match observer.and_then(Observer::leader) {
            Some(lease) => {
                let id = lease.id.as_ref().map_or("nobody", |id| id.as_str());
                format!("{id} leads, term {}, {} left", lease.term, readable(lease.time_left))
            }
            None => "nobody leads".into(),
        };
        for node in nodes {
            match node.state {
                State::Frozen => write!(line, "  {}: frozen", node.name)?,
                State::Runs => match node.reign {
                    Some((term, _)) => write!(line, "  {}: works in term {term}", node.name)?,
                    None => write!(line, "  {}: waits", node.name)?,
                },
                State::Gone => {}
            }
        }
        let mut out = io::stdout().lock();
        // Without wrapping: only then it can be drawn over.
        write!(out, "\r\x1b[2K\x1b[?7l{line}\x1b[?7h")?;
        Ok(out.flush()?)
    }

    pub(crate) fn clear(&mut self) -> Result<()> {
        if self.terminal {
            write!(io::stdout(), "\r\x1b[2K")?;
            io::stdout().flush()?;
        }
        Ok(())
    }
}
