//! What happens, for people and for programs, and for systemd.

use std::fmt::Arguments as Text;
use std::io;
use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use lessor::Term;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::arguments::{Arguments, Format};
use super::systemd::Systemd;
use crate::output::say;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

/// Nothing waits for who reads it, and nothing fails with him: what does not fit is dropped.
pub(super) struct Log {
    key: String,
    id: String,
    format: Format,
    least: Level,
    systemd: Arc<Systemd>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: Level,
    event: &'a str,
    key: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
    message: String,
}

impl Log {
    pub(super) fn new(arguments: &Arguments, id: &str, systemd: Arc<Systemd>) -> Self {
        let least = if arguments.quiet { Level::Error } else { Level::Info };
        Self { key: arguments.key.clone(), id: id.to_owned(), format: arguments.log, least, systemd }
    }

    /// What has become so, and stays so until something else is said to be.
    pub(super) fn state(&self, level: Level, event: &str, term: Option<Term>, text: Text<'_>) {
        self.systemd.status(text);
        self.tell(level, event, term, text);
    }

    pub(super) fn tell(&self, level: Level, event: &str, term: Option<Term>, text: Text<'_>) {
        if level < self.least || self.format == Format::Off || !has_room() {
            return;
        }
        let Self { key, id, .. } = self;
        if self.format == Format::Text {
            return say(format_args!("lessor: {key}: {text}"));
        }
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let line = Line { time, level, event, key, id, term: term.map(Term::get), message: text.to_string() };
        if let Ok(line) = serde_json::to_string(&line) {
            say(format_args!("{line}"));
        }
    }
}

/// Whether a line can be written without a wait: who reads it may stand still, and the lease has to be renewed.
fn has_room() -> bool {
    let stderr = io::stderr();
    !matches!(poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&Timespec::default())), Ok(0))
}
