//! Tells systemd that this process is well, for as long as it is: then its watchdog does not kill it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lessor::WeakCandidate;

use super::systemd::Systemd;

/// Well is whose event loop turns, and whose candidate, once there is one, has a driver that steps in time. A storage that fails is no
/// reason: a restart does not heal it.
pub(super) fn start(systemd: &Arc<Systemd>, candidate: Arc<OnceLock<WeakCandidate>>, patience: Duration) {
    let Some(interval) = systemd.watchdog() else { return };
    let systemd = systemd.clone();
    tokio::spawn(async move {
        loop {
            if candidate.get().is_none_or(|candidate| candidate.status().is_live(patience)) {
                systemd.alive();
            }
            tokio::time::sleep(interval).await;
        }
    });
}
