//! The signals that are the command's.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use lessor::Instant;
use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

const PASSED_ON: [Signal; 6] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

/// From its making on, none of them ends this process.
///
/// Those that are ignored when this process starts stay so, here and in the command: who starts it with `nohup` does not want it to
/// end with the terminal.
pub(super) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        let ignored = ignored();
        let is_heeded = |signal: &Signal| ignored & (1 << (signal.as_raw() - 1)) == 0;
        let caught = PASSED_ON.into_iter().filter(is_heeded);
        let caught = caught.map(|signal| Ok((signal, unix::signal(SignalKind::from_raw(signal.as_raw()))?)));
        caught.collect::<io::Result<_>>().map(Self)
    }

    /// # Cancel safety
    /// Dropping the future loses no signal.
    pub(super) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            let arrived =
                self.0.iter_mut().find_map(|(signal, stream)| stream.poll_recv(context).is_ready().then_some(*signal));
            arrived.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Those that have come so far, of which one asks for an end: they were meant for what has ended since.
    pub(super) async fn left_over(&mut self) -> Option<Signal> {
        // What the system has delivered is known after a turn of the runtime.
        tokio::task::yield_now().await;
        let mut end = None;
        while let Some(signal) = self.next().now_or_never() {
            end = end.or_else(|| asks_for_an_end(signal).then_some(signal));
        }
        end
    }

    /// The next one that asks for an end.
    pub(super) async fn next_end(&mut self) -> Signal {
        loop {
            let signal = self.next().await;
            if asks_for_an_end(signal) {
                return signal;
            }
        }
    }
}

pub(super) fn asks_for_an_end(signal: Signal) -> bool {
    signal != Signal::USR1 && signal != Signal::USR2
}

/// Which signals a command was passed on that ask for an end, and whether it took them for that.
///
/// SIGTERM is one, always. The others mean other things to some: on SIGHUP many read their settings anew. So they count if the command ended by
/// them, or soon after them.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// SIGTERM, or any while the command was ending anyhow.
    surely: Option<Signal>,
    /// The others, and when each was heard last.
    perhaps: Vec<(Signal, Instant)>,
}

impl Asked {
    pub(super) fn hear(&mut self, signal: Signal, at: Instant, is_ending: bool) {
        if signal == Signal::TERM || is_ending {
            self.surely.get_or_insert(signal);
        } else {
            self.perhaps.retain(|(known, _)| *known != signal);
            self.perhaps.push((signal, at));
        }
    }

    /// For this one the command was killed.
    pub(super) fn insist(&mut self, signal: Signal) {
        self.surely.get_or_insert(signal);
    }

    /// The one by which a command that ended like this was asked to. `soon`: how long it may have taken.
    pub(super) fn heeded(&self, status: ExitStatus, ended_at: Instant, soon: Duration) -> Option<Signal> {
        // By it, or as a shell has it that was.
        let by_it = |(signal, _): &&(Signal, Instant)| {
            let number = signal.as_raw();
            status.signal() == Some(number) || status.code() == Some(128 + number)
        };
        let is_near = |(_, at): &&(Signal, Instant)| ended_at.saturating_duration_since(*at) <= soon;
        let perhaps = self.perhaps.iter().find(by_it).or_else(|| self.perhaps.iter().find(is_near));
        self.surely.or_else(|| perhaps.map(|(signal, _)| *signal))
    }
}

/// A bit for each of them.
#[cfg(target_os = "linux")]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// There is no way to ask without code that is `unsafe`.
#[cfg(not(target_os = "linux"))]
fn ignored() -> u64 {
    0
}
