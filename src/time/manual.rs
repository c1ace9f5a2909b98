//! Time that moves when it is told to: for tests.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::{Instant, Timer};
use crate::maybe_send::{BoxFuture, MaybeSend};
use crate::mutex::Mutex;

/// A timer whose time you move, with a small executor that moves it for you: for tests of your own failover.
///
/// Clones share one time. [`block_on`](Self::block_on) runs futures and, when all of them are idle, jumps to the
/// instant at which the first of them wants to go on; hours pass in moments, and every run is the same. It knows only
/// of sleeps on this timer: use it with [`MemoryStorage`](crate::MemoryStorage), not with a server.
///
/// ```
/// use core::time::Duration;
/// use lessor::{ManualTimer, Timer};
///
/// let timer = ManualTimer::new();
/// let before = timer.now();
/// timer.block_on(timer.sleep(Duration::from_secs(3600))).unwrap();
/// assert_eq!(timer.now().saturating_duration_since(before), Duration::from_secs(3600));
/// ```
#[derive(Clone, Default)]
pub struct ManualTimer(Arc<Mutex<State>>);

struct State {
    now: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
    tasks: Vec<Task>,
}

impl Default for State {
    fn default() -> Self {
        // Not zero, so that there is a past to compute with.
        Self { now: Duration::from_secs(1), sleepers: BTreeMap::new(), next_sleeper: 0, tasks: Vec::new() }
    }
}

struct Task {
    future: BoxFuture<()>,
    woken: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Flag {
    fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl ManualTimer {
    /// A timer at one second after its origin.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time and wakes the sleeps that are over. What they wake runs in the next
    /// [`block_on`](Self::block_on).
    pub fn advance(&self, duration: Duration) {
        let to = self.0.lock().now.saturating_add(duration);
        self.advance_to(to);
    }

    /// Hands a future to the executor. It runs within [`block_on`](Self::block_on), from one call to the next, until it ends or is
    /// [dropped](Self::abort_spawned).
    pub fn spawn(&self, future: impl Future<Output = ()> + MaybeSend + 'static) {
        self.0.lock().tasks.push(Task { future: Box::pin(future), woken: Flag::raised() });
    }

    /// Drops what was [spawned](Self::spawn) and has not ended: drivers, their storages, and what these have. It is not dropped with the
    /// last clone of the timer that you have, since a driver has one too. What a [`block_on`](Self::block_on) that is under way has taken
    /// up stays.
    pub fn abort_spawned(&self) {
        let tasks = mem::take(&mut self.0.lock().tasks);
        drop(tasks);
    }

    /// Runs `future`, and what was [spawned](Self::spawn), until `future` ends.
    ///
    /// What was spawned gets its turn in each call, also if `future` is ready at once.
    ///
    /// `None`: it never would, since nothing is left that could wake anything.
    pub fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let woken = Flag::raised();
        let (mut tasks, mut had_turn) = (Vec::new(), false);
        let mut output = None;
        let output = loop {
            if output.is_none()
                && woken.take()
                && let Poll::Ready(ready) = future.as_mut().poll(&mut Context::from_waker(&Waker::from(woken.clone())))
            {
                output = Some(ready);
                if had_turn {
                    break output;
                }
            }
            tasks.append(&mut self.0.lock().tasks);
            tasks.retain_mut(|Task { future, woken }| {
                !woken.take()
                    || future.as_mut().poll(&mut Context::from_waker(&Waker::from(woken.clone()))).is_pending()
            });
            had_turn = true;
            if output.is_some() {
                break output;
            }
            let busy = woken.0.load(Ordering::Acquire)
                || tasks.iter().any(|task| task.woken.0.load(Ordering::Acquire))
                || !self.0.lock().tasks.is_empty();
            if !busy && !self.jump() {
                break None;
            }
        };
        let mut state = self.0.lock();
        tasks.append(&mut state.tasks);
        state.tasks = tasks;
        output
    }

    /// To the first sleeper; false if there is none.
    fn jump(&self) -> bool {
        let Some(&(to, _)) = self.0.lock().sleepers.keys().next() else { return false };
        self.advance_to(to);
        true
    }

    fn advance_to(&self, to: Duration) {
        let due = {
            let mut state = self.0.lock();
            state.now = state.now.max(to);
            let later = state.sleepers.split_off(&(to, u64::MAX));
            mem::replace(&mut state.sleepers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

impl Timer for ManualTimer {
    type Sleep = ManualSleep;

    fn now(&self) -> Instant {
        Instant::from_origin(self.0.lock().now)
    }

    fn sleep(&self, duration: Duration) -> ManualSleep {
        let mut state = self.0.lock();
        state.next_sleeper += 1;
        ManualSleep { timer: self.clone(), key: (state.now.saturating_add(duration), state.next_sleeper) }
    }

    /// None: it shows exactly the time that it is.
    fn resolution(&self) -> Duration {
        Duration::ZERO
    }
}

impl fmt::Debug for ManualTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        let (now, sleepers, tasks) = (state.now, state.sleepers.len(), state.tasks.len());
        drop(state);
        f.debug_struct("ManualTimer").field("now", &now).field("sleepers", &sleepers).field("tasks", &tasks).finish()
    }
}

/// The sleep of a [`ManualTimer`].
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct ManualSleep {
    timer: ManualTimer,
    key: (Duration, u64),
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Not under the lock: to clone a waker and to drop one is foreign code.
        let waker = cx.waker().clone();
        let mut state = self.timer.0.lock();
        let is_over = state.now >= self.key.0;
        let unneeded = if is_over { Some(waker) } else { state.sleepers.insert(self.key, waker) };
        drop(state);
        drop(unneeded);
        if is_over {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        // The waker is dropped after the lock: it may hold the last reference to another sleep.
        let waker = self.timer.0.lock().sleepers.remove(&self.key);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join;

    #[test]
    fn sleeps_end_in_order_and_time_jumps() {
        let timer = ManualTimer::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        for seconds in [3, 1, 2] {
            let (timer2, order) = (timer.clone(), order.clone());
            timer.spawn(async move {
                timer2.sleep(Duration::from_secs(seconds)).await;
                order.lock().push(seconds);
            });
        }
        timer.block_on(timer.sleep(Duration::from_secs(10))).unwrap();
        assert_eq!(*order.lock(), [1, 2, 3]);
        assert_eq!(timer.now(), Instant::from_origin(Duration::from_secs(11)));
    }

    #[test]
    fn nothing_left_to_wake_is_none() {
        let timer = ManualTimer::new();
        assert_eq!(timer.block_on(core::future::pending::<()>()), None);
    }

    #[test]
    fn a_dropped_sleep_is_forgotten() {
        let timer = ManualTimer::new();
        let done = timer.block_on(async {
            let mut long = Box::pin(timer.sleep(Duration::from_secs(100)));
            futures::future::select(&mut long, Box::pin(timer.sleep(Duration::from_secs(1)))).await;
        });
        assert_eq!(done, Some(()));
        assert!(timer.0.lock().sleepers.is_empty());
    }

    /// A driver has a clone of the timer on which it was spawned: only this ends it.
    #[test]
    fn what_was_spawned_can_be_dropped() {
        let timer = ManualTimer::new();
        let kept = Arc::new(());
        let (timer2, kept2) = (timer.clone(), kept.clone());
        timer.spawn(async move {
            let _kept = kept2;
            timer2.sleep(Duration::from_secs(100)).await;
        });
        timer.block_on(timer.sleep(Duration::from_secs(1))).unwrap();
        assert_eq!(Arc::strong_count(&kept), 2);
        timer.abort_spawned();
        assert_eq!(Arc::strong_count(&kept), 1);
        assert!(timer.0.lock().sleepers.is_empty());
    }

    #[test]
    fn advance_wakes_what_is_due() {
        let timer = ManualTimer::new();
        let sleep = timer.sleep(Duration::from_secs(5));
        timer.advance(Duration::from_secs(5));
        assert_eq!(timer.block_on(join(sleep, async { 7 })), Some(((), 7)));
        assert_eq!(timer.now(), Instant::from_origin(Duration::from_secs(6)));
    }

    #[test]
    fn spawned_work_gets_its_turn_in_each_call() {
        let timer = ManualTimer::new();
        let turns = Arc::new(Mutex::new(0));
        let counted = turns.clone();
        timer.spawn(core::future::poll_fn(move |cx| {
            *counted.lock() += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        for turn in 1..=10 {
            assert_eq!(timer.block_on(async { turn }), Some(turn), "ready at once");
            assert_eq!(*turns.lock(), turn);
        }
    }

    #[test]
    fn spawned_work_goes_on_in_the_next_call() {
        let timer = ManualTimer::new();
        let done = Arc::new(AtomicBool::new(false));
        let (timer2, done2) = (timer.clone(), done.clone());
        timer.spawn(async move {
            timer2.sleep(Duration::from_secs(2)).await;
            done2.store(true, Ordering::Release);
        });
        timer.block_on(timer.sleep(Duration::from_secs(1))).unwrap();
        assert!(!done.load(Ordering::Acquire));
        timer.block_on(timer.sleep(Duration::from_secs(1))).unwrap();
        timer.block_on(timer.sleep(Duration::from_millis(1))).unwrap();
        assert!(done.load(Ordering::Acquire));
    }
}
