//! The live table of `lessor watch`.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::process::ExitCode;
#[cfg(unix)]
use std::task::Poll;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};
use lessor::Key;
use lessor::storage::Entry;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::follow::Known;
use crate::list::{self, HEADS};
use crate::table;

/// A screen of its own, as long as this is there.
pub(crate) struct Screen(());

impl Screen {
    pub(crate) fn open() -> io::Result<Self> {
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(Self(()))
    }

    /// The keys above, what happened lately below; as much of both as there is room for.
    pub(crate) fn draw(
        &mut self,
        prefix: &str,
        known: &BTreeMap<Key, Known>,
        lately: &VecDeque<String>,
        why: Option<&str>,
    ) -> io::Result<()> {
        let (columns, lines) = terminal::size()?;
        let (columns, lines) = (usize::from(columns), usize::from(lines));
        let below = lately.len().min(lines / 3);
        let room = lines.saturating_sub(below + 4);
        let rows: Vec<_> =
            known.iter().take(room).map(|(key, known)| list::row(&Entry::new(key.clone(), known.now()))).collect();
        let mut page = anstream::AutoStream::new(Vec::new(), anstream::AutoStream::choice(&io::stdout()));
        let which = if prefix.is_empty() { "all keys".to_owned() } else { format!("keys that begin with {prefix}") };
        let more = match known.len() - rows.len() {
            0 => String::new(),
            more => format!(", {more} of them below the screen"),
        };
        writeln!(page, "{}", table::cut(&format!("{which}: {}{more}", known.len()), columns))?;
        table::write(&mut page, HEADS, &rows, Some(columns))?;
        writeln!(
            page,
            "{}",
            table::cut(why.map(|why| format!("lessor: {why}")).as_deref().unwrap_or_default(), columns)
        )?;
        for line in lately.iter().skip(lately.len() - below) {
            writeln!(page, "{}", table::cut(line, columns))?;
        }
        let page = page.into_inner();
        let mut out = io::stdout().lock();
        queue!(out, MoveTo(0, 0))?;
        // Each line over the one that was there: cleared first, the screen would flicker.
        for (number, line) in page.split(|byte| *byte == b'\n').take(lines).enumerate() {
            queue!(out, MoveTo(0, u16::try_from(number).unwrap_or(u16::MAX)))?;
            out.write_all(line)?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }
}

/// What ends this program, and would leave the terminal as the screen has it.
#[cfg(unix)]
pub(crate) struct Ends([(u8, Signal); 4]);

#[cfg(unix)]
impl Ends {
    /// From now on.
    pub(crate) fn catch() -> io::Result<Self> {
        let caught = |kind: SignalKind| -> io::Result<_> {
            // Whoever says by Ctrl-C that he has seen enough has no failure to be told of.
            let code = if kind == SignalKind::interrupt() { 0 } else { 128 + kind.as_raw_value() };
            Ok((u8::try_from(code).unwrap_or(u8::MAX), signal(kind)?))
        };
        Ok(Self([
            caught(SignalKind::interrupt())?,
            caught(SignalKind::terminate())?,
            caught(SignalKind::hangup())?,
            caught(SignalKind::quit())?,
        ]))
    }

    /// With which code to end, when it is time.
    ///
    /// # Cancel safety
    /// Dropping the future loses no signal.
    pub(crate) async fn next(&mut self) -> ExitCode {
        std::future::poll_fn(|context| {
            let code =
                self.0.iter_mut().find_map(|(code, signal)| signal.poll_recv(context).is_ready().then_some(*code));
            code.map_or(Poll::Pending, |code| Poll::Ready(ExitCode::from(code)))
        })
        .await
    }
}

#[cfg(not(unix))]
pub(crate) struct Ends(());

#[cfg(not(unix))]
impl Ends {
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self(()))
    }

    pub(crate) async fn next(&mut self) -> ExitCode {
        let _ = tokio::signal::ctrl_c().await;
        ExitCode::SUCCESS
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    }
}
