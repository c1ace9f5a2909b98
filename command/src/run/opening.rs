//! Opens the storage, however long it takes to be there.

use std::sync::Arc;
use std::time::Duration;

use lessor::storage::ErrorKind;
use lessor::{Instant, Storage, StorageError, SystemTimer, Timer};
use lessor_any::OpenError;

use super::arguments::Arguments;
use super::log::{Level, Log};
use super::outcome::Outcome;
use super::signals::Signals;
use super::systemd::Systemd;
use crate::exit::Exit;
use crate::storage::not_opened;

/// Between two tries. The first, and the longest: they double.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// When systemd hears that all is under way, even if nothing was answered.
const READY_AFTER: Duration = Duration::from_secs(5);

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
    let unanswered = async {
        tokio::time::sleep(READY_AFTER).await;
        systemd.ready();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        signal = signals.next_end() => return Err(Outcome::Signalled(signal)),
        opened = tries => return opened,
        never = unanswered => never,
        () = passed(until) => {}
    }
    let wait = arguments.patience().unwrap_or_default();
    let why = last_error.map_or_else(String::new, |error: StorageError| format!(": {error}"));
    Err(Outcome::Failed(Exit::Storage(format!("it was not opened within {wait:?}{why}"))))
}

async fn try_on(
    arguments: &Arguments,
    last_error: &mut Option<StorageError>,
    log: &Log,
    systemd: &Systemd,
) -> Result<Arc<dyn Storage>, OpenError> {
    let (mut pause, longest) = PAUSES;
    loop {
        let error = match lessor_any::open(&arguments.storage.storage).await {
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
