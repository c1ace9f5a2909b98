//! Opens the storage, however long it takes to be there.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lessor::storage::ErrorKind;
use lessor::{Instant, Storage, StorageError, SystemTimer, Timer};
use lessor_any::OpenError;
use tokio::time::timeout;

use super::arguments::Arguments;
use super::log::{Level, Log};
use super::outcome::Outcome;
use super::signals::Signals;
use super::systemd::Systemd;
use crate::exit::Exit;
use crate::storage::not_opened;

/// Between two tries. The first, and the longest: they double.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// When people hear that nothing was answered yet, and systemd that all is under way all the same.
const SILENCE: Duration = Duration::from_secs(5);

/// After so much of it a try has failed, and there is another one: what it was sent to may be gone.
const LIMIT: Duration = Duration::from_secs(30);

/// What may pass by itself is tried again until this moment. What somebody has to change ends this process at once.
pub(super) async fn open(
    arguments: &Arguments,
    until: Option<Instant>,
    signals: &mut Signals,
    log: &Log,
    systemd: &Systemd,
) -> Result<Arc<dyn Storage>, Outcome> {
    let mut last_error = None;
    let tries = async {
        let opened = try_on(arguments, &mut last_error, log, systemd).await;
        opened.map_err(|error| Outcome::Failed(not_opened(error)))
    };
    tokio::select! {
        biased;
        signal = signals.next_end() => return Err(Outcome::Signalled(signal)),
        opened = tries => return opened,
        () = passed(until) => {}
    }
    let wait = arguments.patience().unwrap_or_default();
    let why = last_error.map_or_else(|| "it did not answer".to_owned(), |error: StorageError| error.to_string());
    Err(Outcome::Failed(Exit::Storage(format!("it was not opened within {wait:?}: {why}"))))
}

async fn try_on(
    arguments: &Arguments,
    last_error: &mut Option<StorageError>,
    log: &Log,
    systemd: &Systemd,
) -> Result<Arc<dyn Storage>, OpenError> {
    let (mut pause, longest) = PAUSES;
    loop {
        let error = match a_try(arguments, last_error, log, systemd).await {
            Err(OpenError::Storage(error)) if error.kind() == ErrorKind::Transient && !arguments.tries_once() => error,
            answer => return answer,
        };
        systemd.ready();
        if last_error.as_ref() != Some(&error) {
            log.state(Level::Error, "storage_failed", None, format_args!("waits: {error}"));
            *last_error = Some(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// What drops all that is sent to it fails no connection for minutes, or for ever.
async fn a_try(
    arguments: &Arguments,
    last_error: &mut Option<StorageError>,
    log: &Log,
    systemd: &Systemd,
) -> Result<Arc<dyn Storage>, OpenError> {
    let mut opened = pin!(lessor_any::open(&arguments.storage.storage));
    if let Ok(answer) = timeout(SILENCE, &mut opened).await {
        return answer;
    }
    systemd.ready();
    // Where it failed before that was said, and is of more use.
    if last_error.is_none() {
        log.state(Level::Warn, "storage_failed", None, format_args!("waits: no answer after {SILENCE:?}"));
    }
    let late = |_| Err(StorageError::transient(format!("no answer within {LIMIT:?}")).into());
    timeout(LIMIT - SILENCE, opened).await.unwrap_or_else(late)
}

/// By the clock that counts the time that the machine sleeps. Without an end: never.
pub(super) async fn passed(end: Option<Instant>) {
    let Some(end) = end else { return std::future::pending().await };
    let timer = SystemTimer::new();
    loop {
        let left = end.saturating_duration_since(timer.now());
        if left.is_zero() {
            return;
        }
        timer.sleep(left).await;
    }
}
