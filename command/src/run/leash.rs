//! A second process that kills the command at the last moment, whatever became of this one.
//!
//! It is started before the command and leads a process group, which the command then joins. So it kills its own
//! group, and no id of a process can be mistaken for another's. Over its standard input it hears the last moment, anew
//! after each renewal; the input's end means that this process is gone. Whoever stops it is answered with SIGCONT
//! ([`Children`]), by the system if this process is killed; without it the command is ended.

pub(super) mod hold;

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use lessor::{Instant, SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::children::Children;

pub(super) struct Leash {
    moments: ChildStdin,
    ready: Receiver,
    /// Its own id, too.
    group: Pid,
    /// When it kills, by what it was told last.
    due: Option<Instant>,
}

impl Leash {
    /// It holds nothing yet.
    pub(super) fn start(children: &mut Children) -> io::Result<Self> {
        let mut command = Command::new(this_program()?);
        command.arg0("leash").arg(hold::ARGUMENT).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let group = Pid::from_child(&process);
        children.add(group, true);
        let (Some(moments), Some(ready)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        // A leash that somebody stopped empties it no more, and must not stop this process.
        rustix::io::ioctl_fionbio(&moments, true)?;
        Ok(Self { moments, ready: Receiver::from_owned_fd(OwnedFd::from(ready))?, group, due: None })
    }

    /// Returns when it holds.
    pub(super) async fn hold(&mut self, last_moment: Instant, children: &mut Children) -> io::Result<()> {
        self.set(last_moment)?;
        let left = last_moment.saturating_duration_since(SystemTimer::new().now());
        let late = || io::Error::other("it was not ready in time");
        let (mut said, group) = ([0], [self.group]);
        tokio::select! {
            read = self.ready.read(&mut said) => if read? == 0 {
                return Err(io::Error::other("it ended at once"));
            },
            // Which also lets it go on if somebody stopped it.
            _ = children.ended(&group) => return Err(io::Error::other("it ended at once")),
            () = tokio::time::sleep(left) => return Err(late()),
        }
        // This process may have stood still since.
        children.reap();
        if self.is_due(SystemTimer::new().now()) {
            return Err(late());
        }
        match children.status(self.group) {
            Some(_) => Err(io::Error::other("it ended at once")),
            None => Ok(()),
        }
    }

    /// The process group that it kills.
    pub(super) const fn group(&self) -> Pid {
        self.group
    }

    /// Fails if it is gone.
    pub(super) fn set(&mut self, last_moment: Instant) -> io::Result<()> {
        // Short enough for a pipe to take it whole or not at all.
        match writeln!(self.moments, "{}", last_moment.since_origin().as_nanos()) {
            // It was stopped for long, and holds an earlier moment: it kills too soon rather than too late.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.due = Some(last_moment);
                Ok(())
            }
        }
    }

    /// Whether it kills by now, or has killed.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// To the whole group; the leash itself cares for none but SIGKILL.
    pub(super) fn signal(&self, signal: Signal) {
        // Fails only if nobody is left.
        let _ = kill_process_group(self.group, signal);
    }

    /// Asks all to end with this. Those that somebody stopped go on for it.
    pub(super) fn ask_to_end(&self, signal: Signal) {
        self.signal(signal);
        self.signal(Signal::CONT);
    }

    /// Kills what is left of the group, and waits until all of it has ended.
    pub(super) async fn end(self, children: &mut Children) {
        // If it has ended, its number may be another's.
        if children.status(self.group).is_none() {
            self.signal(Signal::KILL);
        }
        children.ended(&[self.group]).await;
        #[cfg(target_os = "linux")]
        children.group_ended(self.group).await;
        children.forget(self.group);
    }
}

/// Also after an upgrade has replaced its file: then this is the only way to the program that runs.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it fails")]
fn this_program() -> io::Result<std::path::PathBuf> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
fn this_program() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}
