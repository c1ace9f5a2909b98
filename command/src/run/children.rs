//! Whoever ended: the processes that this one started, and those that theirs left behind.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
#[cfg(target_os = "linux")]
use rustix::process::{WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::signal::unix::{self, SignalKind};

/// The one place that waits for processes, so that nobody takes another's.
///
/// Orphans of the command come to this process, on Linux, and are let go as soon as they have ended: a command that runs for
/// months may leave many.
pub(super) struct Children {
    changed: unix::Signal,
    watched: Vec<Watched>,
}

struct Watched {
    pid: Pid,
    /// It goes on whenever somebody stops it.
    never_stops: bool,
    /// It was stopped since it would read from the terminal, or write to it, and that was not told yet.
    waits_for_terminal: bool,
    ended: Option<ExitStatus>,
}

/// What became of one of several processes.
pub(super) enum Change {
    Ended(Pid),
    /// It was stopped since it would read from the terminal, or write to it.
    WaitsForTerminal,
}

impl Children {
    /// From its making on.
    pub(super) fn watch() -> io::Result<Self> {
        let changed = unix::signal(SignalKind::child())?;
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self { changed, watched: Vec::new() })
    }

    /// To be said before anything is awaited after its start.
    pub(super) fn add(&mut self, pid: Pid, never_stops: bool) {
        self.watched.push(Watched { pid, never_stops, waits_for_terminal: false, ended: None });
    }

    /// How it ended, if it has: its id may be another's by then.
    pub(super) fn status(&self, pid: Pid) -> Option<ExitStatus> {
        self.watched.iter().find(|watched| watched.pid == pid)?.ended
    }

    pub(super) fn forget(&mut self, pid: Pid) {
        self.watched.retain(|watched| watched.pid != pid);
    }

    /// The first of these that has ended. Those that are not watched have.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn ended(&mut self, pids: &[Pid]) -> Pid {
        loop {
            if let Change::Ended(pid) = self.change(pids).await {
                return pid;
            }
        }
    }

    /// The first of these that has ended, or waits for the terminal. That it waits is told once, each time it was stopped for that.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn change(&mut self, pids: &[Pid]) -> Change {
        loop {
            self.reap();
            if let Some(pid) = pids.iter().find(|pid| self.has_ended(**pid)) {
                return Change::Ended(*pid);
            }
            let waits = |watched: &&mut Watched| watched.waits_for_terminal && pids.contains(&watched.pid);
            if let Some(watched) = self.watched.iter_mut().find(waits) {
                watched.waits_for_terminal = false;
                return Change::WaitsForTerminal;
            }
            self.changed().await;
        }
    }

    /// Lets go whoever ends, and does nothing else.
    pub(super) async fn let_go(&mut self) {
        loop {
            self.reap();
            self.changed().await;
        }
    }

    #[cfg(target_os = "linux")]
    /// Nobody is left in the group that this process could wait for: whoever is, is killed.
    ///
    /// Whoever dies leaves its children to this process before its own end can be seen. So the last one is the last one.
    pub(super) async fn group_ended(&mut self, group: Pid) {
        loop {
            self.reap();
            // It takes nothing that `reap` should have had: what has ended meanwhile is reaped the next time.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pgid(Some(group)), ended) {
                Ok(Some(_)) => {}
                // Somebody lives there, of this process' own: so the number is no other's. A leash that was killed alone leaves them.
                Ok(None) => {
                    let _ = kill_process_group(group, Signal::KILL);
                    self.changed().await;
                }
                Err(_) => return,
            }
        }
    }

    fn has_ended(&self, pid: Pid) -> bool {
        self.watched.iter().find(|watched| watched.pid == pid).is_none_or(|watched| watched.ended.is_some())
    }

    async fn changed(&mut self) {
        if self.changed.recv().await.is_none() {
            std::future::pending().await
        }
    }

    /// Takes note of all that have ended, or were stopped, so far.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            let Some(watched) = self.watched.iter_mut().find(|watched| watched.pid == pid) else { continue };
            if !status.stopped() {
                watched.ended = Some(ExitStatus::from_raw(status.as_raw()));
            } else if watched.never_stops {
                let _ = kill_process(pid, Signal::CONT);
            } else {
                let by = status.stopping_signal();
                watched.waits_for_terminal =
                    [Signal::TTIN, Signal::TTOU].iter().any(|signal| by == Some(signal.as_raw()));
            }
        }
    }
}

/// Whether a child that has not ended yet is about to: it was killed, or ends by itself.
///
/// Where much memory is to be given back that takes a while. An answer that comes too late or is not to be had is `false`.
#[cfg(target_os = "linux")]
pub(super) fn is_dying(pid: Pid) -> bool {
    /// Of Linux (`include/linux/sched.h`): on its way out; by a signal.
    const EXITING: u64 = 0x4;
    const SIGNALED: u64 = 0x400;
    let pid = pid.as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending =
        status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")));
    let kill = 1_u64 << (Signal::KILL.as_raw() - 1);
    if pending.into_iter().any(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & kill != 0)) {
        return true;
    }
    // After its name, which may have anything in it, comes the state, and six fields later what it is about.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & (EXITING | SIGNALED) != 0)
}

/// Nobody to ask.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_dying(_pid: Pid) -> bool {
    false
}
