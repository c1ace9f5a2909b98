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
use crate::storage::{List, Page, StorageError, StorageExt};
use crate::text::{InvalidText, Key};
use crate::time::{Instant, Timer};

/// By how much a lease may seem short: the grain of the storage's clock, and as much again for the harness's.
pub(super) const GRAIN: Duration = Duration::from_millis(2);

/// Why a case ends early.
#[derive(Debug)]
pub(super) enum Stop {
    Failed { expected: String, seen: String },
    NotAvailable,
}

impl Stop {
    pub(super) fn failed(expected: impl Into<String>, seen: impl Debug) -> Self {
        let mut seen = format!("{seen:?}");
        if let Some((cut, _)) = seen.char_indices().nth(400) {
            seen.truncate(cut);
            seen.push_str("...");
        }
        Self::Failed { expected: expected.into(), seen }
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

    /// A page of leases, as a handle sees them that claims none of them.
    pub(super) async fn list(&self, list: List) -> Result<Page, Stop> {
        self.answer("list", self.handle(HANDLES - 1)?.list(list)).await
    }

    /// That a power was used, or the end of the case.
    pub(super) async fn power(&self, used: impl Future<Output = Result<Power, StorageError>>) -> Outcome {
        // Restarting a server takes longer than any operation.
        match answered(self.timer, self.harness.patience().saturating_mul(10), "the power", used).await? {
            Power::Used => Ok(()),
            Power::NotAvailable => Err(Stop::NotAvailable),
        }
    }

    /// New handles, after a power may have broken the old ones.
    pub(super) async fn reopen(&self) -> Result<Vec<H::Storage>, Stop> {
        open(self.harness, self.timer).await
    }

    /// The same case on these handles.
    pub(super) fn on<'b>(&'b self, handles: &'b [H::Storage]) -> Case<'b, H> {
        Case { harness: self.harness, name: self.name, timer: self.timer, handles }
    }
}

/// The handles for a case.
pub(super) async fn open<H: Harness>(harness: &H, timer: &H::Timer) -> Result<Vec<H::Storage>, Stop> {
    let mut handles = Vec::with_capacity(HANDLES);
    for _ in 0..HANDLES {
        handles.push(answered(timer, harness.patience(), "Harness::storage", harness.storage()).await?);
    }
    Ok(handles)
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
    match within(timer, limit, answer).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(Stop::failed(format!("{operation} succeeds"), error)),
        None => Err(Stop::failed(format!("{operation} answers within {limit:?}"), "no answer")),
    }
}
