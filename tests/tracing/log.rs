//! What a subscriber hears.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lessor::{ManualTimer, Timer};
use tracing::Level;

/// What a subscriber wrote.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines since the last call, without padding.
    pub(crate) fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a test with a subscriber for everything from this level on. One at a time: `tracing` keeps for the whole process
/// whether anybody wants a line.
pub(crate) fn logged(level: Level, test: impl FnOnce(&Log)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one: MutexGuard<'_, ()> = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_max_level(level)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || test(&log));
}

pub(crate) fn wait(timer: &ManualTimer, duration: std::time::Duration) {
    timer.block_on(timer.sleep(duration)).unwrap();
}

#[track_caller]
pub(crate) fn assert_lines(log: &Log, expected: &[&str]) {
    let lines = log.lines();
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
}
