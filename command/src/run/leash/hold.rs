//! The leash's own end: what the second process does.

use std::env;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lessor::{SystemTimer, Timer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::process::set_parent_process_death_signal;
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};
#[cfg(target_os = "linux")]
use rustix::thread::set_name;
use signal_hook::consts::signal::{
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};

use crate::output::say;

/// With it this program is the leash of a command. Not for people.
pub(super) const ARGUMENT: &str = "leash-of-a-command";

/// As `ps` and `killall` have it. Not that of the program: who kills all of those is to leave the leashes to do their work.
#[cfg(target_os = "linux")]
const NAME: &std::ffi::CStr = c"leash";

/// Sleeps of processes do not count the time that the machine sleeps; the clock does. It is looked at this often.
const LOOK: Duration = Duration::from_millis(200);

/// Those that a command may send to its whole group, and that would end or stop the leash. Of the others some cannot be caught, and some
/// tell of a fault in whoever gets them.
const SURVIVED: [i32; 17] = [
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
];

/// The same of Linux alone: SIGSTKFLT, SIGPWR, and those of real time that no C library keeps for itself.
#[cfg(target_os = "linux")]
fn survived_here() -> impl Iterator<Item = i32> {
    [Signal::STKFLT, Signal::POWER].into_iter().map(Signal::as_raw).chain(35..=64)
}

#[cfg(not(target_os = "linux"))]
fn survived_here() -> impl Iterator<Item = i32> {
    std::iter::empty()
}

/// `None`: this process is no leash.
pub(crate) fn if_asked() -> Option<ExitCode> {
    (env::args_os().nth(1)? == ARGUMENT).then(hold)
}

fn hold() -> ExitCode {
    // Somebody who tries it out: the group is not its own.
    if getpgrp() != getpid() {
        say(format_args!("lessor: {ARGUMENT} is for `lessor run` itself"));
        return ExitCode::FAILURE;
    }
    #[cfg(target_os = "linux")]
    {
        let _ = set_name(NAME);
        // It may be stopped when the other process, which would have it go on, is killed.
        let _ = set_parent_process_death_signal(Some(Signal::CONT));
    }
    if let Err(error) = until_the_last_moment() {
        say(format_args!("lessor: the command's leash fails: {error}"));
    }
    // It is one of its group.
    let _ = kill_current_process_group(Signal::KILL);
    ExitCode::FAILURE
}

/// No executor and no threads: it has to be there at once, and to need little.
fn until_the_last_moment() -> io::Result<()> {
    let survived = Arc::new(AtomicBool::new(false));
    for signal in SURVIVED.into_iter().chain(survived_here()) {
        signal_hook::flag::register(signal, survived.clone())?;
    }
    let clock = SystemTimer::new();
    let mut moments = Moments::default();
    let mut ready = false;
    loop {
        let left = moments.last.map(|moment| moment.saturating_sub(clock.now().since_origin()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(());
        }
        if left.is_some() && !ready {
            let mut out = io::stdout();
            out.write_all(b"\n")?;
            out.flush()?;
            ready = true;
        }
        if is_readable(left.map(|left| left.min(LOOK)))? && !moments.read()? {
            // The other process is gone.
            return Ok(());
        }
    }
}

/// Waits for so long; for ever without a limit.
fn is_readable(limit: Option<Duration>) -> io::Result<bool> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let stdin = io::stdin();
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], limit.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The last moments that were said, since the clock's origin. The newest counts.
#[derive(Default)]
struct Moments {
    last: Option<Duration>,
    /// Of a line that is not whole yet.
    begun: Vec<u8>,
}

impl Moments {
    /// False at the end, and where something else is said.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        let count = io::stdin().read(&mut bytes)?;
        self.begun.extend(bytes.iter().take(count));
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            let moment = std::str::from_utf8(&line).ok().and_then(|line| line.trim_end().parse().ok());
            let Some(moment) = moment else { return Ok(false) };
            self.last = Some(Duration::from_nanos(moment));
        }
        Ok(count > 0)
    }
}
