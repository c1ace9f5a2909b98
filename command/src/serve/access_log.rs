//! A line for each request, to the standard error: never a token, a session or a body.

use std::io::{self, Write as _};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;

use super::clock::now_ms;

/// How many lines may wait for whoever reads them. Those beyond are left out: nobody's request waits for a log.
const WAITING: usize = 4_096;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Off,
}

/// What is written of a request.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) method: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// The name under which the token is counted, where that is known.
    pub(crate) caller: &'a str,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    format: Format,
    lines: Option<SyncSender<String>>,
}

impl AccessLog {
    pub(crate) fn start(format: Format) -> Self {
        if format == Format::Off {
            return Self { format, lines: None };
        }
        let (lines, read) = sync_channel::<String>(WAITING);
        // A reader that is slow holds up this thread, and nothing else; one that is gone ends nothing.
        thread::spawn(move || read.into_iter().for_each(|line| drop(io::stderr().lock().write_all(line.as_bytes()))));
        Self { format, lines: Some(lines) }
    }

    pub(crate) fn note(&self, line: &Line<'_>) {
        let Some(lines) = &self.lines else { return };
        let Line { method, path, status, took, caller } = line;
        let took_ms = took.as_secs_f64() * 1_000.0;
        let text = match self.format {
            Format::Json => {
                let took_ms = (took_ms * 1_000.0).round() / 1_000.0;
                let line = json!({
                    "time_ms": now_ms(), "method": method, "path": path, "status": status, "took_ms": took_ms, "caller": caller,
                });
                format!("{line}\n")
            }
            // A path is printable by what HTTP allows in one.
            _ => format!("{method} {path} {status} {took_ms:.3}ms {}\n", if caller.is_empty() { "-" } else { caller }),
        };
        let _ = lines.try_send(text);
    }

    /// Something that is no request.
    pub(crate) fn say(&self, what: &str) {
        let text = match self.format {
            Format::Json => format!("{}\n", json!({ "time_ms": now_ms(), "message": what })),
            _ => format!("lessor: {what}\n"),
        };
        match &self.lines {
            Some(lines) => drop(lines.try_send(text)),
            None => drop(io::stderr().lock().write_all(text.as_bytes())),
        }
    }
}
