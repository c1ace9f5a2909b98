//! One run of the command, from its start to the end of its process group.
//!
//! ```text
//! runs ──(jeopardy, --timeout)──> SIGTERM ──(grace, or the last moment)──> SIGKILL
//!   └──────────────┴────────────────────────────────────────────────────────┴──> ended
//! ```
//!
//! What was asked to end is not taken back: if the storage answers again meanwhile, the command still ends.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, ExitStatus};
use std::time::Duration;

use lessor::{Events, Instant, Leadership, SystemTimer, Timer};
use rustix::process::Signal;
use smol::future::or;
use smol::process::{Child, Command};

use crate::leash::Leash;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::signals::{Signals, asks_for_an_end};

/// Sleeps do not count the time that the machine sleeps; the clock does. It is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct Run<'a> {
    options: &'a Options,
    leadership: &'a Leadership,
    clock: SystemTimer,
    leash: Leash,
    child: Child,
    began: Instant,
    /// Why it is asked to end, and when it is killed.
    ending: Option<(Why, Instant)>,
    /// Somebody asked it to end, through this process.
    pub(crate) asked: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Why {
    Jeopardy,
    Timeout,
    NoLeash,
}

enum Happened {
    Ended(std::io::Result<ExitStatus>),
    Signal(Signal),
    Election,
    Time,
}

impl<'a> Run<'a> {
    /// Whether enough is left of the lease to begin.
    pub(crate) fn has_room(options: &Options, leadership: &Leadership) -> bool {
        leadership.remaining() > options.grace + options.reserve()
    }

    pub(crate) async fn start(options: &'a Options, leadership: &'a Leadership) -> Result<Self, Outcome> {
        let clock = SystemTimer::new();
        let leash = Leash::start(last_moment(options, leadership, clock.now())).await;
        let leash =
            leash.map_err(|error| Outcome::Failed(format!("the command's leash cannot be started: {error}")))?;
        let mut command = process::Command::new(&options.program);
        command.args(&options.arguments).process_group(leash.group());
        command.env("LESSOR_TERM", leadership.term().to_string());
        command.env("LESSOR_KEY", &options.key).env("LESSOR_ID", &options.id);
        match Command::from(command).spawn() {
            Ok(child) => {
                let began = clock.now();
                Ok(Self { options, leadership, clock, leash, child, began, ending: None, asked: false })
            }
            Err(error) => {
                leash.end().await;
                Err(Outcome::NotStarted(error))
            }
        }
    }

    /// Until the command has ended. Then its group still has to be [ended](Self::end).
    pub(crate) async fn watch(&mut self, events: &mut Events, signals: &mut Signals) -> Outcome {
        loop {
            let wake_at = self.enforce();
            let pause = wake_at.saturating_duration_since(self.clock.now()).min(LOOK);
            let child = &mut self.child;
            let ended = async { Happened::Ended(child.status().await) };
            let signal = async { Happened::Signal(signals.next().await) };
            let election = async {
                match events.next().await {
                    Some(_) => Happened::Election,
                    None => std::future::pending().await,
                }
            };
            let time = async {
                self.clock.sleep(pause).await;
                Happened::Time
            };
            match or(or(ended, signal), or(election, time)).await {
                Happened::Ended(Ok(status)) => return self.outcome(status),
                Happened::Ended(Err(error)) => return Outcome::Failed(format!("the command is out of sight: {error}")),
                Happened::Signal(signal) => {
                    self.asked |= asks_for_an_end(signal);
                    self.leash.signal(signal);
                }
                Happened::Election => self.extend(),
                Happened::Time => {}
            }
        }
    }

    /// Does what is due, and answers when the next thing may be.
    fn enforce(&mut self) -> Instant {
        let Self { options, leadership, .. } = self;
        let now = self.clock.now();
        let last_moment = last_moment(options, leadership, now);
        let timeout_at = self.began.saturating_add(options.timeout.unwrap_or(Duration::MAX));
        let ask_at = timeout_at.min(last_moment.saturating_sub(options.grace));
        if self.ending.is_none() && now >= ask_at {
            self.ask_to_end(if now >= timeout_at { Why::Timeout } else { Why::Jeopardy });
        }
        let Some((_, kill_at)) = self.ending else { return ask_at };
        let kill_at = kill_at.min(last_moment);
        if now < kill_at {
            return kill_at;
        }
        self.leash.signal(Signal::KILL);
        // In case it has left its group.
        let _ = self.child.kill();
        now.saturating_add(LOOK)
    }

    fn ask_to_end(&mut self, why: Why) {
        self.ending = Some((why, self.clock.now().saturating_add(self.options.grace)));
        self.leash.signal(Signal::TERM);
    }

    fn extend(&mut self) {
        let moment = last_moment(self.options, self.leadership, self.clock.now());
        // Somebody killed the leash: without it no promise holds.
        if self.leash.set(moment).is_err() && self.ending.is_none() {
            self.ask_to_end(Why::NoLeash);
        }
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        let lost = || match self.leadership.check(self.options.grace + self.options.reserve()) {
            Ok(term) => format!("term {term} was in jeopardy"),
            Err(lost) => lost.to_string(),
        };
        match self.ending {
            Some((Why::Jeopardy, _)) => Outcome::Lost(lost()),
            Some((Why::Timeout, _)) => Outcome::TimedOut,
            Some((Why::NoLeash, _)) => Outcome::Failed("the command's leash ended, and the command with it".to_owned()),
            // This process stood still, and the leash did not.
            None if status.signal() == Some(Signal::KILL.as_raw())
                && !Self::has_room(self.options, self.leadership) =>
            {
                Outcome::Lost(lost())
            }
            None => Outcome::Ended(status),
        }
    }

    /// Ends what is left of the group, and waits for it.
    pub(crate) async fn end(self) {
        self.leash.end().await;
    }
}

/// When the command has to be killed so that it is gone by the deadline.
fn last_moment(options: &Options, leadership: &Leadership, now: Instant) -> Instant {
    now.saturating_add(leadership.remaining()).saturating_sub(options.reserve())
}
