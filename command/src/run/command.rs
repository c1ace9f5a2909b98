//! One run of a command, from its start to the end of its process group.
//!
//! ```text
//! runs ──(jeopardy, --timeout)──> SIGTERM ──(grace, or the last moment)──> SIGKILL
//!   └──────────────┴────────────────────────────────────────────────────────┴──> ended
//! ```
//!
//! A signal that somebody else sends is passed on, and followed by SIGKILL only where `--kill-after` says so.
//!
//! What was asked to end is not taken back: if the storage answers again meanwhile, the command still ends.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use lessor::{Event, Instant, Leadership, SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};

use super::children::{Change, Children, is_dying};
use super::leash::Leash;
use super::log::{Level, Log};
use super::outcome::Outcome;
use super::senses::Senses;
use super::signals::{Asked, asks_for_an_end};

/// Sleeps do not count the time that the machine sleeps; the clock does. It is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// How long it may run.
pub(super) struct Limits<'a> {
    pub(super) within: Within<'a>,
    /// How long before the deadline it is killed.
    pub(super) reserve: Duration,
    pub(super) grace: Duration,
    pub(super) timeout: Option<Duration>,
    /// How long after the first signal that asks it to end it is killed.
    pub(super) kill_after: Option<Duration>,
}

/// What it must not outlive.
pub(super) enum Within<'a> {
    Lease(&'a Leadership),
    Time(Instant),
}

impl Limits<'_> {
    /// Whether enough is left to begin.
    pub(super) fn have_room(&self) -> bool {
        match self.within {
            Within::Lease(leadership) => leadership.remaining() > self.grace + self.reserve,
            Within::Time(_) => true,
        }
    }

    /// When the command has to be killed so that it is gone by the deadline.
    fn last_moment(&self, now: Instant) -> Instant {
        match self.within {
            Within::Lease(leadership) => now.saturating_add(leadership.remaining()).saturating_sub(self.reserve),
            Within::Time(end) => end,
        }
    }

    fn lost(&self) -> String {
        match self.within {
            Within::Lease(leadership) => match leadership.check(self.grace + self.reserve) {
                Ok(term) => format!("term {term} was in jeopardy"),
                Err(lost) => lost.to_string(),
            },
            Within::Time(_) => "its time is over".to_owned(),
        }
    }
}

pub(super) struct Run<'a> {
    limits: Limits<'a>,
    clock: SystemTimer,
    leash: Leash,
    command: Pid,
    began: Instant,
    /// Whether the leash is there.
    leashed: bool,
    /// Why it is asked to end, and when it is killed.
    ending: Option<(Why, Instant)>,
    /// What somebody asked of it, through this process.
    signalled: Asked,
    /// When it is killed for that, and for which of them.
    kill_at: Option<(Instant, Signal)>,
    /// Whether this process killed it, with all of its group.
    killed: bool,
    /// How it ended, and when that was seen.
    ended: Option<(ExitStatus, Instant)>,
    /// That it waits for the terminal was said.
    is_known_to_wait: bool,
}

/// What has to be done to the command as it is, and when to look again.
struct Due {
    /// To ask it to end: why, and when it is killed.
    asks: Option<(Why, Instant)>,
    kills: bool,
    /// With which signal somebody asked it to end, if it is killed for that.
    for_a_signal: Option<Signal>,
    again_at: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Why {
    Jeopardy,
    Timeout,
    NoLeash,
}

impl<'a> Run<'a> {
    pub(super) async fn start(
        mut command: Command,
        limits: Limits<'a>,
        leash: Option<Leash>,
        children: &mut Children,
    ) -> Result<Self, Outcome> {
        let clock = SystemTimer::new();
        let no_leash = |error| Outcome::failed(format_args!("the command's leash cannot be started: {error}"));
        let mut leash = match leash.filter(|leash| children.status(leash.group()).is_none()) {
            Some(leash) => leash,
            None => Leash::start(children).map_err(no_leash)?,
        };
        let held = leash.hold(limits.last_moment(clock.now()), children).await;
        let started = match held.map_err(no_leash) {
            Ok(()) => command.process_group(leash.group().as_raw_nonzero().get()).spawn().map_err(Outcome::NotStarted),
            Err(outcome) => Err(outcome),
        };
        match started {
            Ok(child) => {
                let command = Pid::from_child(&child);
                children.add(command, false);
                let began = clock.now();
                Ok(Self {
                    limits,
                    clock,
                    leash,
                    command,
                    began,
                    leashed: true,
                    ending: None,
                    signalled: Asked::default(),
                    kill_at: None,
                    killed: false,
                    ended: None,
                    is_known_to_wait: false,
                })
            }
            Err(outcome) => {
                leash.end(children).await;
                Err(outcome)
            }
        }
    }

    /// Until the command has ended. Then its group still has to be [ended](Self::end).
    pub(super) async fn watch(&mut self, senses: &mut Senses, log: &Log) -> Outcome {
        let leash = self.leash.group();
        loop {
            // What the system knows comes before what is due, also if this process stood still: it is asked after what is due was found, and
            // whoever has ended by then ended in time.
            let due = self.due();
            senses.children.reap();
            let (ended, now) = (senses.children.status(self.command), self.clock.now());
            let leash_is_gone = self.leashed && senses.children.status(leash).is_some();
            if leash_is_gone {
                if ended.is_none() && !self.killed {
                    self.ending = self.ending.or_else(|| Some((self.why_without_leash(now)?, now)));
                }
                self.end_without_leash();
            }
            if let Some(status) = ended {
                self.ended = Some((status, now));
                return self.outcome(status, now);
            }
            if leash_is_gone {
                continue;
            }
            self.enforce(&due, &senses.children);
            let wake_at = due.again_at;
            let pause = wake_at.saturating_duration_since(self.clock.now()).min(LOOK);
            let command = self.command;
            let watched = if self.leashed { [command, leash] } else { [command, command] };
            tokio::select! {
                change = senses.children.change(&watched) => match change {
                    Change::Ended(_) => {}
                    Change::WaitsForTerminal => self.tell_of_the_terminal(log),
                },
                signal = senses.signals.next() => self.pass_on(signal),
                Some(event) = senses.events.next() => {
                    if let Event::Jeopardy { term, .. } = event {
                        log.state(Level::Warn, "jeopardy", Some(term), format_args!("renewals fail in term {term}"));
                    }
                    self.extend();
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// With this somebody asked it to end, through this process, and so it did. Before it has ended that is not known.
    pub(super) fn asked(&self) -> Option<Signal> {
        let (status, at) = self.ended?;
        self.signalled.heeded(status, at, self.limits.grace)
    }

    /// Nobody else says so: to whoever looks it stands still.
    fn tell_of_the_terminal(&mut self, log: &Log) {
        if !std::mem::replace(&mut self.is_known_to_wait, true) {
            let term = match self.limits.within {
                Within::Lease(leadership) => Some(leadership.term()),
                Within::Time(_) => None,
            };
            let text =
                "the command stands still: it waits for the terminal, which it cannot have; give it `</dev/null`";
            log.state(Level::Warn, "stopped", term, format_args!("{text}"));
        }
    }

    fn pass_on(&mut self, signal: Signal) {
        let ends = asks_for_an_end(signal);
        let now = self.clock.now();
        if ends {
            self.signalled.hear(signal, now, self.ending.is_some());
        }
        // Many take a SIGHUP as a wish to read their settings anew, and are not to be killed for that.
        if ends && signal != Signal::HUP && self.kill_at.is_none() {
            self.kill_at = self.limits.kill_after.map(|after| (now.saturating_add(after), signal));
        }
        match (self.leashed, ends) {
            (true, true) => self.leash.ask_to_end(signal),
            (true, false) => self.leash.signal(signal),
            (false, _) => {}
        }
    }

    /// What is due by now.
    fn due(&self) -> Due {
        let now = self.clock.now();
        let last_moment = self.limits.last_moment(now);
        let timeout_at = self.began.saturating_add(self.limits.timeout.unwrap_or(Duration::MAX));
        let ask_at = timeout_at.min(last_moment.saturating_sub(self.limits.grace));
        let why = if now >= timeout_at { Why::Timeout } else { Why::Jeopardy };
        let asks = self.ending.is_none() && !self.killed && now >= ask_at;
        let asks = asks.then(|| (why, now.saturating_add(self.limits.grace)));
        let ending = self.ending.or(asks);
        let last = ending.map(|(_, kill_at)| kill_at.min(last_moment));
        let for_a_signal = self.kill_at.filter(|(kill_at, _)| now >= *kill_at).map(|(_, signal)| signal);
        let after_signal = self.kill_at.map(|(kill_at, _)| kill_at);
        let kill_at = last.into_iter().chain(after_signal).min();
        let kills = kill_at.is_some_and(|kill_at| now >= kill_at);
        let again_at = match kill_at {
            None => ask_at,
            Some(_) if kills => now.saturating_add(LOOK),
            Some(kill_at) if ending.is_some() => kill_at,
            Some(kill_at) => kill_at.min(ask_at),
        };
        Due { asks, kills, for_a_signal, again_at }
    }

    fn enforce(&mut self, due: &Due, children: &Children) {
        if due.asks.is_some() {
            self.ending = due.asks;
            if self.leashed {
                self.leash.ask_to_end(Signal::TERM);
            }
        }
        if !due.kills {
            return;
        }
        self.killed = true;
        if let Some(signal) = due.for_a_signal {
            self.signalled.insist(signal);
        }
        if self.leashed {
            self.leash.signal(Signal::KILL);
        }
        // In case it has left its group.
        if children.status(self.command).is_none() {
            let _ = kill_process(self.command, Signal::KILL);
        }
    }

    /// Without it no promise holds. What is left of its group is killed now, while nobody else can have got its number.
    fn end_without_leash(&mut self) {
        self.leash.signal(Signal::KILL);
        self.leashed = false;
    }

    /// `None`: with the command, by one blow to all of the group, of which the leash is often the first that is gone. To be asked before
    /// the rest is killed.
    fn why_without_leash(&self, now: Instant) -> Option<Why> {
        match self.leash.is_due(now) {
            true => Some(Why::Jeopardy),
            false => (!is_dying(self.command)).then_some(Why::NoLeash),
        }
    }

    fn extend(&mut self) {
        let last_moment = self.limits.last_moment(self.clock.now());
        // If it is gone, its end is about to be seen.
        let _ = self.leash.set(last_moment);
    }

    fn outcome(&self, status: ExitStatus, now: Instant) -> Outcome {
        let was_killed = status.signal() == Some(Signal::KILL.as_raw());
        match self.ending {
            Some((Why::Jeopardy, _)) => Outcome::Lost(self.limits.lost()),
            Some((Why::Timeout, _)) => Outcome::TimedOut,
            Some((Why::NoLeash, _)) => Outcome::failed("the command's leash ended, and the command with it"),
            // This process stood still, and the leash did not.
            None if was_killed && !self.killed && self.leash.is_due(now) => Outcome::Lost(self.limits.lost()),
            None => Outcome::Ended(status),
        }
    }

    /// Ends what is left of the group, and waits for it.
    pub(super) async fn end(self, children: &mut Children) {
        children.forget(self.command);
        self.leash.end(children).await;
    }
}
