//! Waits for leadership, runs the command, and releases the lease when it has ended.

use std::pin::pin;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use lessor::{Candidate, Instant, Leadership, SystemTimer, Timer, WeakCandidate};
use rustix::process::Signal;

use super::arguments::Arguments;
use super::children::Children;
use super::command::{Limits, Run, Within};
use super::hooks::Hook;
use super::leash::Leash;
use super::log::{Level, Log};
use super::opening::{self, passed};
use super::outcome::Outcome;
use super::senses::Senses;
use super::sights::Sights;
use super::signals::Signals;
use super::systemd::Systemd;
use super::waiting::{Answer, answered, patience_ends, why_not};
use super::{candidate, environment, hooks, late_wakeups, metrics, watchdog};
use crate::exit::Exit;

/// After this many failures in a row the pause does not double any more.
const DOUBLINGS: u32 = 6;

pub(super) async fn perform(arguments: &Arguments, log: &Log, systemd: &Arc<Systemd>) -> Outcome {
    match campaign(arguments, log, systemd).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn campaign(arguments: &Arguments, log: &Log, systemd: &Arc<Systemd>) -> Result<Outcome, Outcome> {
    let mut signals =
        Signals::catch().map_err(|error| Outcome::failed(format_args!("signals cannot be caught: {error}")))?;
    let mut children =
        Children::watch().map_err(|error| Outcome::failed(format_args!("children cannot be watched: {error}")))?;
    let until = end_of_patience(arguments);
    let known = Arc::new(OnceLock::<WeakCandidate>::new());
    watchdog::start(systemd, known.clone(), arguments.ttl);
    // Before a driver runs: what it would tell sooner is lost.
    let exposed = arguments.metrics.map(metrics::Exposed::listen).transpose().map_err(Outcome::Failed)?;
    // The leash's start takes about as long as a file and a claim: all at once. Whoever has to wait lets it go.
    let (leash, storage) = {
        let mut opening = pin!(opening::open(arguments, until, &mut signals, log, systemd));
        let opened = futures::poll!(&mut opening);
        let leash = Leash::start(&mut children).ok();
        let storage = match opened {
            Poll::Ready(opened) => opened?,
            Poll::Pending => opening.await?,
        };
        (leash, storage)
    };
    let sights = Sights::none();
    let storage = sights.of(late_wakeups::of(storage, &arguments.storage.storage));
    let (candidate, driver) =
        candidate::build(arguments, storage).map_err(|error| Outcome::Failed(Exit::Usage(error.to_string())))?;
    let _ = known.set(candidate.downgrade());
    if let Some(exposed) = exposed {
        exposed.serve(candidate.downgrade(), arguments.ttl).map_err(Outcome::Failed)?;
    }
    let driver = tokio::spawn(driver.run());
    systemd.ready();
    let senses = Senses { children, signals, events: candidate.events() };
    let mut campaign = Campaign { arguments, log, candidate, senses, sights, leash, reign: None, asked: false };
    let outcome = campaign.lead(until).await;
    systemd.stopping();
    campaign.leave().await;
    // Who asked for an end before wants no other than this.
    let _ = campaign.senses.signals.left_over().await;
    // The command has ended, and its process group, too: only now the next one may begin.
    let Campaign { candidate, mut senses, .. } = campaign;
    let release = async {
        let _ = candidate.shutdown().await;
        let _ = driver.await;
    };
    tokio::select! {
        () = release => {}
        _ = senses.signals.next_end() => {}
    }
    Ok(outcome)
}

/// When it is given up to wait.
fn end_of_patience(arguments: &Arguments) -> Option<Instant> {
    Some(SystemTimer::new().now().saturating_add(arguments.patience()?))
}

struct Campaign<'a> {
    arguments: &'a Arguments,
    log: &'a Log,
    candidate: Candidate,
    senses: Senses,
    sights: Sights,
    /// One that holds nothing yet.
    leash: Option<Leash>,
    /// The one that was begun, until its end is told.
    reign: Option<Leadership>,
    /// Somebody asked for an end, through this process.
    asked: bool,
}

impl Campaign<'_> {
    /// Runs the command, or runs it again and again.
    async fn lead(&mut self, mut until: Option<Instant>) -> Outcome {
        let mut failures = 0_u32;
        loop {
            let leadership = match self.elected(until).await {
                Ok(leadership) => leadership,
                Err(outcome) => return outcome,
            };
            if let Some(signal) = self.begin(&leadership).await {
                return Outcome::Signalled(signal);
            }
            if !limits(self.arguments, &leadership).have_room() {
                // The hook took it, and the storage does not answer.
                if let Some(signal) = self.rest(self.arguments.reserve()).await {
                    return Outcome::Signalled(signal);
                }
                until = end_of_patience(self.arguments);
                continue;
            }
            let outcome = self.run(&leadership).await;
            if !self.arguments.restart || self.asked {
                return outcome;
            }
            let signal = self.end_if_lost().await;
            explain(&outcome, self.log, Some(&leadership));
            if let Some(signal) = signal {
                return Outcome::Signalled(signal);
            }
            failures = if outcome.is_success() { 0 } else { failures + 1 };
            let pause = self.arguments.pause.saturating_mul(1 << failures.saturating_sub(1).min(DOUBLINGS));
            if let Some(signal) = self.rest(pause).await {
                return Outcome::Signalled(signal);
            }
            // From now on, however long it has led.
            until = end_of_patience(self.arguments);
        }
    }

    /// Waits for a leadership that has room for the command. The loss of one that had none any more is told meanwhile.
    async fn elected(&mut self, until: Option<Instant>) -> Result<Leadership, Outcome> {
        loop {
            let Self { arguments, candidate, log, sights, reign, .. } = self;
            let Senses { children, signals, events } = &mut self.senses;
            let elected = async {
                loop {
                    let leadership = candidate.elected().await.map_err(Outcome::failed)?;
                    if limits(arguments, &leadership).have_room() {
                        return Ok(leadership);
                    }
                    // Renewed soon, or over.
                    tokio::time::sleep(arguments.reserve()).await;
                }
            };
            tokio::select! {
                biased;
                elected = elected => return elected,
                signal = signals.next_end() => return Err(Outcome::Signalled(signal)),
                () = loss_of(reign.as_ref()) => {}
                answer = answered(arguments, until, candidate, events, sights, log) => if answer == Answer::Enough {
                    return Err(why_not(arguments, candidate));
                },
                () = patience_ends(until, candidate, sights) => return Err(why_not(arguments, candidate)),
                () = children.let_go() => {}
            }
            if let Some(leash) = self.leash.take() {
                leash.end(&mut self.senses.children).await;
            }
            if let Some(signal) = self.end_if_lost().await {
                return Err(Outcome::Signalled(signal));
            }
        }
    }

    /// Once in a reign. A signal that asks for an end comes first.
    async fn begin(&mut self, leadership: &Leadership) -> Option<Signal> {
        let term = leadership.term();
        if self.reign.as_ref().is_some_and(|reign| reign.term() == term && reign.slot() == leadership.slot()) {
            return None;
        }
        if let Some(signal) = self.end_if_lost().await {
            return Some(signal);
        }
        self.reign = Some(leadership.clone());
        let slot = leadership.slot().map_or_else(String::new, |slot| format!(", slot {slot}"));
        let text = format_args!("leads in term {term}{slot} as {}", self.candidate.id());
        self.log.state(Level::Info, "elected", Some(term), text);
        self.hook(Hook::Elected, leadership).await
    }

    async fn run(&mut self, leadership: &Leadership) -> Outcome {
        let Some((program, arguments)) = self.arguments.command.split_first() else {
            return Outcome::Failed(Exit::Usage("the command is missing".into()));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        environment::give(&mut command, leadership, self.arguments);
        let limits = limits(self.arguments, leadership);
        let mut run = match Run::start(command, limits, self.leash.take(), &mut self.senses.children).await {
            Ok(run) => run,
            Err(outcome) => return outcome,
        };
        let outcome = run.watch(&mut self.senses, self.log).await;
        self.asked |= run.asked().is_some();
        run.end(&mut self.senses.children).await;
        self.asked |= self.senses.signals.left_over().await.is_some();
        outcome
    }

    /// Tells of a reign that is over by itself. A signal that asks for an end comes first.
    async fn end_if_lost(&mut self) -> Option<Signal> {
        let reign = self.reign.take_if(|reign| !reign.is_valid())?;
        self.log.state(Level::Warn, "lost", Some(reign.term()), format_args!("term {} is over", reign.term()));
        self.hook(Hook::Lost, &reign).await
    }

    /// What comes between the end of the command and that of the lease.
    async fn leave(&mut self) {
        if let Some(reign) = self.reign.clone().filter(|_| !self.asked) {
            let left = self.arguments.min_hold.saturating_sub(reign.age());
            if !left.is_zero() && reign.is_valid() {
                let text = format_args!("the command has ended; the lease is held for {left:.1?} more");
                self.log.state(Level::Info, "holds", Some(reign.term()), text);
                self.rest(left).await;
            }
        }
        self.end_if_lost().await;
        if let Some(reign) = self.reign.take() {
            self.hook(Hook::Lost, &reign).await;
        }
    }

    /// For so long, unless a signal asks for an end. A loss meanwhile is told at once.
    async fn rest(&mut self, pause: Duration) -> Option<Signal> {
        let end = SystemTimer::new().now().saturating_add(pause);
        loop {
            let Senses { children, signals, .. } = &mut self.senses;
            tokio::select! {
                biased;
                signal = signals.next_end() => {
                    self.asked = true;
                    return Some(signal);
                }
                () = passed(Some(end)) => return None,
                () = loss_of(self.reign.as_ref()) => {}
                () = children.let_go() => {}
            }
            if let Some(signal) = self.end_if_lost().await {
                return Some(signal);
            }
        }
    }

    /// Answers the signal with which somebody asked for an end meanwhile.
    async fn hook(&mut self, hook: Hook, leadership: &Leadership) -> Option<Signal> {
        let script = match hook {
            Hook::Elected => self.arguments.on_elected.as_deref(),
            Hook::Lost => self.arguments.on_lost.as_deref(),
        };
        let signal = hooks::perform(hook, script?, self.arguments, leadership, &mut self.senses, self.log).await;
        self.asked |= signal.is_some();
        signal
    }
}

/// Those of the command.
fn limits<'a>(arguments: &Arguments, leadership: &'a Leadership) -> Limits<'a> {
    let Arguments { timeout, kill_after, .. } = *arguments;
    let (reserve, grace) = (arguments.reserve(), arguments.grace());
    Limits { within: Within::Lease(leadership), reserve, grace, timeout, kill_after }
}

/// Never, where there is nothing to lose.
async fn loss_of(reign: Option<&Leadership>) {
    let Some(reign) = reign else { return std::future::pending().await };
    reign.lost().await;
}

/// As far as it is wanted.
pub(super) fn explain(outcome: &Outcome, log: &Log, leadership: Option<&Leadership>) {
    let level = if outcome.is_as_asked() { Level::Info } else { Level::Error };
    log.tell(level, "ended", leadership.map(Leadership::term), format_args!("{outcome}"));
}
