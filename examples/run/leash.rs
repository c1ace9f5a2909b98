//! A second process that kills the command at the last moment, whatever became of this one.
//!
//! It is started before the command and leads a process group, which the command then joins. So it kills its own
//! group, and no id of a process can be mistaken for another's. Over its standard input it hears the last moment, anew
//! after each renewal; the input's end means that this process is gone.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::Duration;

use lessor::{Instant, SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_current_process_group, kill_process_group};
use smol::channel::unbounded;
use smol::future::or;

use crate::signals::Signals;

pub(crate) const OPTION: &str = "leash-of-a-command";

/// Sleeps of processes do not count the time that the machine sleeps; the clock does. It looks this often.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Leash {
    process: Child,
    moments: ChildStdin,
    group: Pid,
}

impl Leash {
    /// Returns when it holds.
    pub(crate) async fn start(last_moment: Instant) -> io::Result<Self> {
        smol::unblock(move || {
            let mut command = Command::new(env::current_exe()?);
            command.arg(format!("--{OPTION}")).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut process = command.spawn()?;
            let group = Pid::from_child(&process);
            let (Some(moments), Some(mut ready)) = (process.stdin.take(), process.stdout.take()) else {
                return Err(io::Error::other("the leash has no pipes"));
            };
            let mut leash = Self { process, moments, group };
            leash.set(last_moment)?;
            match ready.read(&mut [0])? {
                0 => Err(io::Error::other("the leash ended at once")),
                _ => Ok(leash),
            }
        })
        .await
    }

    /// The process group that it kills.
    pub(crate) fn group(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    pub(crate) fn set(&mut self, last_moment: Instant) -> io::Result<()> {
        // Short enough for a pipe to take it whole, and the reader empties it all the time: it does not wait.
        writeln!(self.moments, "{}", last_moment.since_origin().as_nanos())
    }

    /// To the whole group; the leash itself cares for none but SIGKILL.
    pub(crate) fn signal(&self, signal: Signal) {
        // Fails only if nobody is left.
        let _ = kill_process_group(self.group, signal);
    }

    /// Kills what is left of the group, and waits until all of it has ended.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::KILL);
        smol::unblock(move || {
            let _ = self.process.wait();
            #[cfg(target_os = "linux")]
            reap(self.group);
        })
        .await;
    }
}

/// With this, what the command leaves running becomes a child of this process, which can then wait for its end.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Whoever dies leaves its children to this process before its own end can be seen. So the last one is the last one.
#[cfg(target_os = "linux")]
fn reap(group: Pid) {
    use rustix::io::Errno;
    use rustix::process::{WaitOptions, wait, waitpgid};

    while !matches!(waitpgid(group, WaitOptions::empty()), Err(error) if error != Errno::INTR) {}
    // Those that left the group and have ended by now.
    while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
}

/// The other end: what the second process does.
pub(crate) fn hold() -> ExitCode {
    let held = Signals::catch().and_then(|_signals| smol::block_on(until_the_last_moment()));
    if let Err(error) = held {
        eprintln!("run: the leash fails: {error}");
    }
    // It is one of its group.
    let _ = kill_current_process_group(Signal::KILL);
    ExitCode::FAILURE
}

async fn until_the_last_moment() -> io::Result<()> {
    let (tell, moments) = unbounded();
    std::thread::Builder::new().name("moments".into()).spawn(move || {
        for line in BufReader::new(io::stdin()).lines() {
            let moment = line.ok().and_then(|line| line.parse().ok());
            if moment.is_none_or(|moment| tell.try_send(moment).is_err()) {
                break;
            }
        }
    })?;
    let Ok(mut last_moment) = moments.recv().await else { return Ok(()) };
    let mut out = io::stdout();
    out.write_all(b"\n")?;
    out.flush()?;

    let clock = SystemTimer::new();
    loop {
        let left = Duration::from_nanos(last_moment).saturating_sub(clock.now().since_origin());
        if left.is_zero() {
            return Ok(());
        }
        let pause = async {
            clock.sleep(left.min(LOOK)).await;
            Ok(None)
        };
        match or(async { moments.recv().await.map(Some) }, pause).await {
            Ok(Some(moment)) => last_moment = moment,
            Ok(None) => {}
            // The other process is gone.
            Err(_) => return Ok(()),
        }
    }
}
