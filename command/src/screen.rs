//! The live table of `lessor watch`.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};
use lessor::Key;
use lessor::storage::Entry;

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

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    }
}
