//! What every case has at hand: names, times, limits and verdicts.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::future::Future;
use core::pin::pin;
use core::time::Duration;

use futures::future::{Either, select};

use super::contender::Contender;
use super::{HANDLES, Harness, Power};
use crate::lease::Lease;
use crate::storage::{ErrorKind, List, Page, StorageError, StorageExt};
use crate::text::{InvalidText, Key};
use crate::time::{Instant, Timer};

/// By how much a lease may seem short: the grain of the storage's clock, and as much again for the harness's.
pub(super) const GRAIN: Duration = Duration::from_millis(2);

/// Why a case ends early.
#[derive(Debug)]
pub(super) enum Stop {
    Failed {
        expected: String,
        seen: String,
    },
    /// It needs this, which the harness or its storage does not have.
    Needs(&'static str),
}

/// What a case may need that not every harness or storage has.
pub(super) mod needs {
    pub(crate) const WAKEUPS: &str = "Storage::subscribe";
    pub(crate) const AGE: &str = "Lease::age";
    pub(crate) const BREAK_REPLY: &str = "Harness::break_reply";
    pub(crate) const RESTART: &str = "Harness::restart";
    pub(crate) const CLOCK_BACK: &str = "Harness::turn_clock_back";
    pub(crate) const LOSE_DATA: &str = "Harness::lose_data";
    pub(crate) const UNREACHABLE: &str = "Harness::unreachable";
    pub(crate) const LINGER: &str = "Harness::linger";
    pub(crate) const DURABLE: &str = "no Harness::freeze_after_loss";
}

impl Stop {
    pub(super) fn failed(expected: impl Into<String>, seen: impl Debug) -> Self {
        let mut seen = format!("{seen:?}");
        if let Some((cut, _)) = seen.char_indices().nth(400) {
            seen.truncate(cut);
            seen.push_str("...");
        }
        Self::saw(expected, seen)
    }

    /// What was seen, in words.
    pub(super) fn saw(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Failed { expected: expected.into(), seen: seen.into() }
    }
}

impl From<InvalidText> for Stop {
    fn from(error: InvalidText) -> Self {
        Self::failed("a prefix of at most 32 bytes without control characters", error.to_string())
    }
}

pub(super) type Outcome = Result<(), Stop>;

pub(super) fn expect(holds: bool, expected: impl Into<String>, seen: impl Debug) -> Outcome {
    if holds { Ok(()) } else { Err(Stop::failed(expected, seen)) }
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, seen: T, expected: T) -> Outcome {
    if seen == expected { Ok(()) } else { Err(Stop::failed(format!("{what} is {expected:?}"), seen)) }
}

/// A lease without what changes by itself.
pub(super) fn timeless(lease: &Lease) -> Lease {
    Lease { time_left: Duration::ZERO, age: None, ..lease.clone() }
}

/// That nothing was written between two looks at a lease.
pub(super) fn unchanged(before: &Lease, after: &Lease) -> Outcome {
    same("the lease", timeless(after), timeless(before))?;
    expect(
        after.time_left <= before.time_left.saturating_add(GRAIN),
        format!("at most {:?} left", before.time_left),
        after.time_left,
    )?;
    let least = before.age.map(|age| age.saturating_sub(GRAIN));
    let ages = after.age >= least && after.age.is_some() == before.age.is_some();
    expect(ages, format!("an age of at least {least:?}"), after.age)
}

pub(super) struct Case<'a, H: Harness> {
    pub(super) harness: &'a H,
    pub(super) name: &'static str,
    timer: &'a H::Timer,
    handles: &'a [H::Storage],
}

impl<'a, H: Harness> Case<'a, H> {
    pub(super) fn new(harness: &'a H, timer: &'a H::Timer, handles: &'a [H::Storage], name: &'static str) -> Self {
        Self { harness, name, timer, handles }
    }

    /// The case's key of this name.
    pub(super) fn key(&self, name: &str) -> Result<Key, Stop> {
        Ok(Key::new(format!("{}{}/{name}", self.harness.prefix(), self.name))?)
    }

    /// Somebody who wants the key, with a session and, as far as there are enough, a handle of its own.
    pub(super) fn contender(&self, key: &Key, number: u32) -> Result<Contender<'_, H>, Stop> {
        Contender::new(self, key, number)
    }

    /// Somebody who looks through the handle that [`list`](Self::list) asks.
    pub(super) fn looker(&self, key: &Key) -> Result<Contender<'_, H>, Stop> {
        Contender::new(self, key, HANDLES as u32 - 1)
    }

    pub(super) fn handle(&self, number: usize) -> Result<&'a H::Storage, Stop> {
        let handle = self.handles.get(number % self.handles.len().max(1));
        handle.ok_or_else(|| Stop::failed("handles on the storage", self.handles.len()))
    }

    /// A ttl that is waited for.
    pub(super) fn short(&self) -> Duration {
        self.harness.ttl()
    }

    /// A ttl that does not run out within the case.
    pub(super) fn long(&self) -> Duration {
        self.harness.longest_ttl().min(Duration::from_secs(3600))
    }

    pub(super) fn now(&self) -> Instant {
        self.timer.now()
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.timer.sleep(duration).await;
    }

    /// Between two looks at what is about to change.
    pub(super) async fn pause(&self) {
        self.sleep((self.short() / 16).max(Duration::from_millis(1))).await;
    }

    /// The output of a future, if it comes in time.
    pub(super) async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        within(self.timer, limit, future).await
    }

    /// The answer of an operation that has to succeed.
    pub(super) async fn answer<T>(
        &self,
        operation: &str,
        answer: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, Stop> {
        answered(self.timer, self.harness.patience(), operation, answer).await
    }

    /// The answer of an operation that others get in the way of: a storage may give up on one of two that collide, as
    /// databases do. It is then asked again.
    pub(super) async fn insist<T, F>(&self, limit: Duration, operation: &str, ask: impl Fn() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let give_up = self.now().saturating_add(limit);
        loop {
            match self.within(limit, ask()).await {
                Some(Err(error)) if error.kind() == ErrorKind::Transient && self.now() < give_up => self.pause().await,
                answer => return answer_of(answer, limit, operation),
            }
        }
    }

    /// A page of leases, as a handle sees them that claims none of them.
    pub(super) async fn list(&self, list: List) -> Result<Page, Stop> {
        self.answer("list", self.handle(HANDLES - 1)?.list(list)).await
    }

    /// That this power was used, or the end of the case.
    pub(super) async fn power(
        &self,
        name: &'static str,
        used: impl Future<Output = Result<Power, StorageError>>,
    ) -> Outcome {
        match answered(self.timer, patience_with_powers(self.harness), name, used).await? {
            Power::Used => Ok(()),
            Power::NotAvailable => Err(Stop::Needs(name)),
        }
    }

    /// A handle that reaches no storage, or the end of the case.
    pub(super) async fn unreachable(&self) -> Result<H::Storage, Stop> {
        let handle = self.harness.unreachable();
        let handle = answered(self.timer, patience_with_powers(self.harness), needs::UNREACHABLE, handle).await?;
        handle.ok_or(Stop::Needs(needs::UNREACHABLE))
    }

    /// A handle for this case alone.
    pub(super) async fn another_handle(&self) -> Result<H::Storage, Stop> {
        Ok(member(self.harness, self.timer, 1).await?)
    }

    /// New handles, after a power may have broken the old ones.
    pub(super) async fn reopen(&self) -> Result<Vec<H::Storage>, Stop> {
        Ok(open(self.harness, self.timer).await?)
    }

    /// The same case on these handles.
    pub(super) fn on<'b>(&'b self, handles: &'b [H::Storage]) -> Case<'b, H> {
        Case { harness: self.harness, name: self.name, timer: self.timer, handles }
    }
}

/// Why there is no handle.
#[derive(Debug)]
pub(super) struct Unopened(pub(super) String);

impl From<Unopened> for Stop {
    fn from(Unopened(why): Unopened) -> Self {
        Self::saw("the harness gives handles on the storage", why)
    }
}

/// The handles for a case.
pub(super) async fn open<H: Harness>(harness: &H, timer: &H::Timer) -> Result<Vec<H::Storage>, Unopened> {
    let mut handles = Vec::with_capacity(HANDLES);
    for number in 0..HANDLES {
        handles.push(member(harness, timer, number).await?);
    }
    Ok(handles)
}

async fn member<H: Harness>(harness: &H, timer: &H::Timer, number: usize) -> Result<H::Storage, Unopened> {
    let limit = harness.patience();
    match within(timer, limit, harness.member(number)).await {
        Some(Ok(handle)) => Ok(handle),
        Some(Err(error)) => Err(Unopened(error.in_full())),
        None => Err(Unopened(format!("no answer within {limit:?}"))),
    }
}

/// Restarting a server takes longer than any operation.
fn patience_with_powers(harness: &impl Harness) -> Duration {
    harness.patience().saturating_mul(10)
}

async fn within<T>(timer: &impl Timer, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(timer.sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn answered<T>(
    timer: &impl Timer,
    limit: Duration,
    operation: &str,
    answer: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, Stop> {
    answer_of(within(timer, limit, answer).await, limit, operation)
}

fn answer_of<T>(answer: Option<Result<T, StorageError>>, limit: Duration, operation: &str) -> Result<T, Stop> {
    match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(Stop::saw(format!("{operation} succeeds"), error.in_full())),
        None => Err(Stop::saw(format!("{operation} answers within {limit:?}"), "no answer")),
    }
}
