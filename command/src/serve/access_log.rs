//! A line for each request, to the standard error: never a token, a session or a body.

mod repeats;

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use self::repeats::{Repeats, SAID_AGAIN};
use super::clock::now_ms;
use super::meters;
use crate::seen::{is_odd, plain};

/// How many lines may wait for whoever reads them. Those beyond are left out: nobody's request waits for a log.
const WAITING: usize = 4_096;

/// How much of a path is written, in characters.
const PATH: usize = 512;

/// How long the last lines may take to be read.
const LAST: Duration = Duration::from_millis(500);

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
    /// Where the connection comes from.
    pub(crate) peer: IpAddr,
}

/// What comes to the thread that writes.
enum Written {
    Line(String),
    /// All before it is written.
    End(oneshot::Sender<()>),
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    format: Format,
    lines: SyncSender<Written>,
    repeats: Arc<Mutex<Repeats>>,
}

impl AccessLog {
    /// Also without lines for requests something is said now and then, for which nobody may wait.
    pub(crate) fn start(format: Format) -> Self {
        let (lines, read) = sync_channel(WAITING);
        let log = Self { format, lines, repeats: Arc::default() };
        let repeats = log.repeats.clone();
        // A reader that is slow holds up this thread, and nothing else; one that is gone ends nothing.
        thread::spawn(move || write_all(format, &read, &repeats));
        log
    }

    pub(crate) fn note(&self, line: &Line<'_>) {
        if self.format != Format::Off {
            self.send(self.format.line(line));
        }
    }

    /// Something that is no request.
    pub(crate) fn say(&self, what: &str) {
        self.send(self.format.message(what));
    }

    /// The same, of what may happen again and again: at most once a second, and then how often.
    pub(crate) fn say_once_a_second(&self, what: &str) {
        let is_first = locked(&self.repeats).happened(what, Instant::now());
        match is_first {
            Some(true) => self.say(what),
            Some(false) => {}
            None => meters::line_lost(),
        }
    }

    /// Until all that was said is written; for a moment, if nobody reads it.
    pub(crate) async fn written(&self) {
        let (end, ended) = oneshot::channel();
        if self.lines.try_send(Written::End(end)).is_ok() {
            let _ = timeout(LAST, ended).await;
        }
    }

    fn send(&self, line: String) {
        if self.lines.try_send(Written::Line(line)).is_err() {
            meters::line_lost();
        }
    }
}

impl Format {
    fn line(self, line: &Line<'_>) -> String {
        let Line { method, path, status, took, caller, peer } = line;
        let took_ms = took.as_secs_f64() * 1_000.0;
        let shown: String = path.chars().take(PATH).collect();
        let cut = if shown.len() < path.len() { ".." } else { "" };
        match self {
            Self::Json => {
                let took_ms = (took_ms * 1_000.0).round() / 1_000.0;
                let line = json!({
                    "time_ms": now_ms(), "method": method, "path": format!("{shown}{cut}"), "status": status, "took_ms": took_ms,
                    "caller": caller, "peer": peer.to_string(),
                });
                printable(&line)
            }
            _ => {
                let caller = if caller.is_empty() { "-" } else { caller };
                format!("{method} {}{cut} {status} {took_ms:.3}ms {caller} {peer}\n", plain(&shown))
            }
        }
    }

    fn message(self, what: &str) -> String {
        match self {
            Self::Json => printable(&json!({ "time_ms": now_ms(), "message": what })),
            _ => format!("lessor: {}\n", plain(what)),
        }
    }
}

/// A line of JSON, without what a terminal would take for a command.
fn printable(line: &serde_json::Value) -> String {
    let mut text = String::new();
    for char in line.to_string().chars() {
        if is_odd(char) {
            text.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            text.push(char);
        }
    }
    text.push('\n');
    text
}

fn write_all(format: Format, lines: &Receiver<Written>, repeats: &Mutex<Repeats>) {
    loop {
        // Whoever says something for the first time has noted that before.
        let next = if locked(repeats).is_empty() {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(SAID_AGAIN)
        };
        match next {
            Ok(Written::Line(line)) => write(&line),
            Ok(Written::End(end)) => {
                let _ = end.send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let again = locked(repeats).due(Instant::now());
        again.iter().for_each(|what| write(&format.message(what)));
    }
}

fn write(line: &str) {
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

fn locked(repeats: &Mutex<Repeats>) -> MutexGuard<'_, Repeats> {
    repeats.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path is anybody's: nothing of it reaches a terminal as a command, and it is no longer than a line.
    #[test]
    fn a_line_is_printable() {
        let long = "x".repeat(2_000);
        for path in ["/v1/keys/\u{9b}31m\u{202e}\u{85}", &long] {
            let (status, took, peer) = (404, Duration::from_millis(1), IpAddr::from([127, 0, 0, 1]));
            let line = Line { method: "GET", path, status, took, caller: "ci", peer };
            for format in [Format::Text, Format::Json] {
                let text = format.line(&line);
                assert!(!text.trim_end_matches('\n').chars().any(is_odd), "{text}");
                assert!(text.len() < 700 && text.contains("ci") && text.contains("127.0.0.1"), "{text}");
            }
            let json: serde_json::Value = serde_json::from_str(&Format::Json.line(&line)).unwrap();
            assert!(json["path"] == path || path == long, "{json}");
        }
        assert_eq!(Format::Text.message("a\nb"), "lessor: a\\u{a}b\n");
    }
}
