//! Kubernetes' client-go (`tools/leaderelection`, with the fast path, as of July 2026) over a Lease, with its defaults.
//!
//! The API server replaces a Lease by its resource version. A candidate measures on its own monotonic clock since when
//! the record it reads is the same one, and takes over after LeaseDuration without a change. A leader renews every
//! RetryPeriod, straight away by the version it knows, and with a read before where that fails; it gives up when it
//! did not get through for RenewDeadline. ReleaseOnCancel is off.
//!
//! To lead means here: the context of `OnStartedLeading` goes on, and `IsLeader()`. The context alone goes on for up to
//! RenewDeadline after another holder was seen; `IsLeader()` alone has no end while nobody is seen.
//! After giving up, `Run` is called again at once, under the same identity; a crashed process comes back under another.
//!
//! Simplified: all use one LeaseDuration; what an API client does about overload (retries, rate limits) is left out.

use std::time::Duration;

use super::{Clocks, Failed, Reference, Todo};
use crate::random::Random;

mod lease;
#[cfg(test)]
mod tests;

pub use lease::{Answer, ElectionRecord, Lease, Request};

const LEASE_DURATION: Duration = Duration::from_secs(15);
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_secs(2);
const JITTER_FACTOR: f64 = 1.2;
/// Half of RenewDeadline, as `resourcelock.NewFromKubeconfig` sets it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
enum Stage {
    Rest { until: Duration },
    Call { request: Request, fast_path: bool },
}

/// A `LeaderElector` that is run again and again.
#[derive(Debug)]
pub struct ClientGo {
    id: u64,
    random: Random,
    resource_version: u64,
    /// What was read or written last, and when that was known.
    observed: Option<(ElectionRecord, Duration)>,
    /// What was read last: writes of its own leave this as it is.
    read: Option<ElectionRecord>,
    /// Whether the context of `OnStartedLeading` goes on.
    started_leading: bool,
    /// Since when it tries to renew.
    renewing_since: Option<Duration>,
    stage: Stage,
    /// When the present attempt began.
    began: Clocks,
}

impl ClientGo {
    fn is_holder(&self) -> bool {
        self.observed.is_some_and(|(record, _)| record.holder == self.id)
    }

    /// Judged by the beginning of the attempt, while what is observed counts from the answer.
    fn is_lease_valid(&self) -> bool {
        self.observed.is_some_and(|(_, at)| at + LEASE_DURATION > self.began.monotonic)
    }

    fn give_up_at(&self) -> Option<Duration> {
        self.renewing_since.map(|since| since + RENEW_DEADLINE)
    }

    /// All writes of an attempt say when that began.
    fn record(&self) -> ElectionRecord {
        ElectionRecord { holder: self.id, renewed_s: self.began.wall_ms.div_euclid(1000) }
    }

    fn update(&self) -> Request {
        Request::Update(self.resource_version, self.record())
    }

    fn begin(&mut self, clocks: Clocks) {
        self.began = clocks;
        if self.started_leading {
            self.renewing_since.get_or_insert(clocks.monotonic);
        }
        let fast_path = self.is_holder() && self.is_lease_valid();
        let request = if fast_path { self.update() } else { Request::Get };
        self.stage = Stage::Call { request, fast_path };
    }

    fn found(&mut self, lease: Lease, now: Duration) {
        self.resource_version = lease.resource_version;
        if self.read != Some(lease.record) {
            self.read = Some(lease.record);
            self.observed = Some((lease.record, now));
        }
        if self.is_lease_valid() && !self.is_holder() {
            self.failed(now);
        } else {
            self.stage = Stage::Call { request: self.update(), fast_path: false };
        }
    }

    fn written(&mut self, lease: Lease, now: Duration) {
        self.resource_version = lease.resource_version;
        self.observed = Some((lease.record, now));
        // The first renewal follows the election at once.
        let pause = if self.started_leading { RETRY_PERIOD } else { Duration::ZERO };
        self.started_leading = true;
        self.renewing_since = None;
        self.stage = Stage::Rest { until: now + pause };
    }

    fn failed(&mut self, now: Duration) {
        let until = match self.renewing_since {
            // A ticker, the last tick is the deadline. An attempt that took longer is followed by the next one at once.
            Some(since) => {
                let ticks = (self.began.monotonic - since).as_nanos() / RETRY_PERIOD.as_nanos() + 1;
                since + RETRY_PERIOD * ticks as u32
            }
            None => now + RETRY_PERIOD.mul_f64(1.0 + JITTER_FACTOR * self.random.fraction()),
        };
        self.stage = Stage::Rest { until };
    }

    fn run_again(&mut self, now: Duration) {
        (self.started_leading, self.renewing_since) = (false, None);
        (self.observed, self.read) = (None, None);
        self.stage = Stage::Rest { until: now };
    }
}

impl Reference for ClientGo {
    const NAME: &'static str = "client-go";
    type Request = Request;
    type Answer = Answer;
    type Row = Lease;

    fn start(id: u64, random: Random, clocks: Clocks) -> Self {
        Self {
            id,
            random,
            resource_version: 0,
            observed: None,
            read: None,
            started_leading: false,
            renewing_since: None,
            stage: Stage::Rest { until: clocks.monotonic },
            began: clocks,
        }
    }

    fn next(&mut self, clocks: Clocks) -> Todo<Request> {
        let now = clocks.monotonic;
        if self.give_up_at().is_some_and(|deadline| deadline <= now) {
            self.run_again(now);
        }
        loop {
            match &self.stage {
                Stage::Rest { until } if *until > now => return Todo::Wait { until: *until },
                Stage::Rest { .. } => self.begin(clocks),
                Stage::Call { request, .. } => {
                    let timeout = self.give_up_at().map_or(CALL_TIMEOUT, |deadline| CALL_TIMEOUT.min(deadline - now));
                    return Todo::Call { request: request.clone(), timeout };
                }
            }
        }
    }

    fn answered(&mut self, clocks: Clocks, answer: Result<Answer, Failed>) {
        let now = clocks.monotonic;
        match answer {
            Ok(Answer::Written(lease)) => self.written(lease, now),
            Ok(Answer::Found(lease)) => self.found(lease, now),
            Ok(Answer::NotFound) => {
                self.stage = Stage::Call { request: Request::Create(self.record()), fast_path: false };
            }
            Ok(Answer::Conflict) | Err(Failed) => match self.stage {
                Stage::Call { fast_path: true, .. } => {
                    self.stage = Stage::Call { request: Request::Get, fast_path: false };
                }
                _ => self.failed(now),
            },
        }
    }

    fn is_leader(&self, _: Clocks) -> bool {
        self.started_leading && self.is_holder()
    }

    fn apply(row: &mut Option<Lease>, request: &Request, storage_ms: u64) -> Answer {
        lease::apply(row, request, storage_ms)
    }

    fn holder(row: &Lease) -> (Option<u64>, Duration) {
        (Some(row.record.holder), LEASE_DURATION)
    }

    fn operation(request: &Request) -> &'static str {
        match request {
            Request::Get => "get",
            Request::Create(_) => "create",
            Request::Update(..) => "update",
        }
    }

    fn outcome(answer: &Answer) -> &'static str {
        match answer {
            Answer::Found(_) => "found",
            Answer::NotFound => "not found",
            Answer::Written(_) => "written",
            Answer::Conflict => "conflict",
        }
    }
}
