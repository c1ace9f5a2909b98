//! Waits for leadership, runs the command, and releases the lease when it has ended.

use std::sync::Arc;
use std::time::Duration;

use lessor::{Builder, Candidate, Event, Events, Leadership, Storage, SystemTimer, Timer};
use lessor_any::{OpenError, open};
use smol::future::or;

use crate::command::Run;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::signals::Signals;

/// After this many failures in a row the pause does not double any more.
const DOUBLINGS: u32 = 6;

pub(crate) async fn run(options: &Options) -> Outcome {
    let failed = |error: std::io::Error| Outcome::Failed(format!("signals cannot be caught: {error}"));
    let mut signals = match Signals::catch().map_err(failed) {
        Ok(signals) => signals,
        Err(outcome) => return outcome,
    };
    #[cfg(target_os = "linux")]
    if let Err(error) = crate::leash::adopt_orphans() {
        return Outcome::Failed(format!("orphans cannot be adopted: {error}"));
    }
    let storage = match open_storage(options, &mut signals).await {
        Ok(storage) => storage,
        Err(outcome) => return outcome,
    };
    let mut builder = Builder::new(&options.key).id(&options.id).ttl(options.ttl);
    if let Some(value) = &options.value {
        builder = builder.value(value);
    }
    let (candidate, driver) = match builder.build(storage) {
        Ok(built) => built,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let driver = smol::spawn(driver.run());
    let mut campaign = Campaign { options, events: candidate.events(), candidate, signals };
    let outcome = campaign.lead().await;
    // The command has ended, and its process group, too: only now the next one may begin.
    let Campaign { candidate, mut signals, .. } = campaign;
    let release = async {
        let _ = candidate.shutdown().await;
        driver.await;
    };
    let impatient = async {
        signals.next_end().await;
    };
    or(release, impatient).await;
    outcome
}

async fn open_storage(options: &Options, signals: &mut Signals) -> Result<Arc<dyn Storage>, Outcome> {
    let opened = async {
        open(&options.storage).await.map_err(|error| match error {
            OpenError::Storage(error) => Outcome::Storage(error.to_string()),
            error => Outcome::Usage(format!("--storage is not allowed: {error}")),
        })
    };
    let late = async {
        let Some(patience) = patience(options) else { return std::future::pending().await };
        SystemTimer::new().sleep(patience).await;
        Err(Outcome::Storage(format!("it was not opened within {patience:?}")))
    };
    or(opened, or(async { Err(Outcome::Signalled(signals.next_end().await)) }, late)).await
}

/// How long to wait. One try takes some time, too.
fn patience(options: &Options) -> Option<Duration> {
    options.wait.map(|wait| if wait.is_zero() { options.ttl } else { wait })
}

struct Campaign<'a> {
    options: &'a Options,
    candidate: Candidate,
    events: Events,
    signals: Signals,
}

impl Campaign<'_> {
    /// Runs the command, or runs it again and again.
    async fn lead(&mut self) -> Outcome {
        let mut failures = 0_u32;
        loop {
            let leadership = match self.elected().await {
                Ok(leadership) => leadership,
                Err(outcome) => return outcome,
            };
            if !self.options.quiet {
                eprintln!("run: {}: leads in term {} as {}", self.options.key, leadership.term(), self.options.id);
            }
            let mut run = match Run::start(self.options, &leadership).await {
                Ok(run) => run,
                Err(outcome) => return outcome,
            };
            let outcome = run.watch(&mut self.events, &mut self.signals).await;
            let asked = run.asked;
            run.end().await;
            let Some(pause) = self.options.restart.filter(|_| !asked) else { return outcome };
            outcome.explain(self.options);
            failures = if outcome.is_success() { 0 } else { failures + 1 };
            let pause = pause.saturating_mul(1 << failures.saturating_sub(1).min(DOUBLINGS));
            let over = async {
                SystemTimer::new().sleep(pause).await;
                None
            };
            if let Some(signal) = or(async { Some(self.signals.next_end().await) }, over).await {
                return Outcome::Signalled(signal);
            }
        }
    }

    /// Waits for a leadership that has room for the command.
    async fn elected(&mut self) -> Result<Leadership, Outcome> {
        let Self { options, candidate, events, signals } = self;
        let elected = async {
            loop {
                let leadership = candidate.elected().await.map_err(|error| Outcome::Failed(error.to_string()))?;
                if Run::has_room(options, &leadership) {
                    return Ok(leadership);
                }
                // Renewed soon, or over.
                SystemTimer::new().sleep(options.reserve()).await;
            }
        };
        let signal = async { Err(Outcome::Signalled(signals.next_end().await)) };
        let late = async {
            match patience(options) {
                Some(patience) => SystemTimer::new().sleep(patience).await,
                None => std::future::pending().await,
            };
        };
        let answered = async {
            loop {
                match events.next().await {
                    // Unless it is this one.
                    Some(Event::LeaderChanged(Some(lease))) if lease.is_live() && candidate.leadership().is_none() => {
                        if options.wait == Some(Duration::ZERO) {
                            return;
                        }
                        if !options.quiet {
                            eprintln!("run: {}: waits: the leader is {lease}", options.key);
                        }
                    }
                    Some(Event::StorageFailed { .. }) if options.wait == Some(Duration::ZERO) => return,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        let given_up = async {
            or(late, answered).await;
            Err(why_not(candidate))
        };
        or(elected, or(signal, given_up)).await
    }
}

fn why_not(candidate: &Candidate) -> Outcome {
    let status = candidate.status();
    match (status.last_error, status.leader) {
        (Some(error), _) if status.failures > 0 => Outcome::Storage(error.to_string()),
        (_, Some(lease)) => Outcome::NotElected(format!("the leader is {lease}")),
        _ => Outcome::NotElected("the storage granted nothing in time".to_owned()),
    }
}
