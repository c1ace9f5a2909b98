//! What systemd is told, where it has started this process as `Type=notify`: `sd_notify(3)`.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variables that are this process's, and not its command's.
pub(super) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Nobody, mostly.
pub(super) struct Systemd(Option<(UnixDatagram, SocketAddr)>);

impl Systemd {
    pub(super) fn find() -> Self {
        let connected = || {
            let address = address(&env::var_os("NOTIFY_SOCKET")?)?;
            let socket = UnixDatagram::unbound().ok()?;
            // Whoever does not listen must not stop this process.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        };
        Self(connected())
    }

    /// It campaigns: whoever waited for its start need wait no longer.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Who leads, or what it waits for.
    pub(super) fn status(&self, what: impl Display) {
        if self.0.is_some() {
            self.tell(&format!("STATUS={what}").replace('\n', " "));
        }
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often to say that it is alive: twice in the time after which systemd kills it.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?;
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|limit| is_meant && *limit > 0)?;
        Some(Duration::from_micros(limit) / 2)
    }

    fn tell(&self, what: &str) {
        if let Self(Some((socket, address))) = self {
            let _ = socket.send_to_addr(what.as_bytes(), address);
        }
    }
}

/// A path, or an abstract name behind an `@`.
fn address(given: &OsStr) -> Option<SocketAddr> {
    match given.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(given).ok(),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name).ok()
        }
        _ => None,
    }
}
