//! One alarm for all sleeps of a process.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::Future;
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Waker};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::LazyLock;

use futures_timer::Delay;

use crate::mutex::Mutex;

/// Which sleep: when it ends, in milliseconds of the system's clock, and a number of its own.
pub(super) type Sleeper = (u64, usize);

/// One alarm for all sleeps of a process.
///
/// A `Delay` for each would be dear: each that is made and each that is dropped wakes the thread of crate `futures-timer`,
/// and each that ends wakes it too. Here that thread is told only when a sleep is to end before all others; and all that
/// end within a millisecond end together.
pub(super) struct Alarm {
    /// Reads the clock.
    now: fn() -> Duration,
    sleepers: Mutex<Sleepers>,
    /// What rings. Only who looks has it.
    delay: Mutex<Option<Delay>>,
    /// How often it rang, or was asked to, since somebody began to look. Zero: nobody looks.
    rings: AtomicUsize,
    /// How many sleeps there were.
    count: AtomicUsize,
}

#[derive(Default)]
struct Sleepers {
    wakers: BTreeMap<Sleeper, Waker>,
    /// When the alarm rings, at the latest. `None`: it does not.
    rings_at: Option<u64>,
}

impl Sleepers {
    /// Whether the alarm will ring in time for this sleep, and wake this waker then: most polls of a task come of something else.
    fn is_told(&self, sleeper: Sleeper, waker: &Waker) -> bool {
        self.rings_at.is_some_and(|at| at <= sleeper.0)
            && self.wakers.get(&sleeper).is_some_and(|known| known.will_wake(waker))
    }
}

impl Alarm {
    /// The one of this process.
    pub(super) fn of_the_process() -> &'static Arc<Self> {
        static ALARM: LazyLock<Arc<Alarm>> = LazyLock::new(|| Alarm::new(super::elapsed));
        &ALARM
    }

    fn new(now: fn() -> Duration) -> Arc<Self> {
        let [rings, count] = [const { AtomicUsize::new(0) }; 2];
        Arc::new(Self { now, sleepers: Mutex::default(), delay: Mutex::default(), rings, count })
    }

    /// A sleep of this length: it ends with the millisecond in which it is over.
    pub(super) fn sleeper(&self, duration: Duration) -> Sleeper {
        let ends = (self.now)().saturating_add(duration).saturating_add(Duration::from_nanos(999_999));
        (milliseconds(ends), self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether its time is over. If not, its task is woken when it is.
    pub(super) fn is_over(self: &Arc<Self>, sleeper: Sleeper, cx: &Context<'_>) -> bool {
        if sleeper.0 <= milliseconds((self.now)()) {
            return true;
        }
        if self.sleepers.lock().is_told(sleeper, cx.waker()) {
            return false;
        }
        // Before the lock, as it is foreign code.
        let waker = cx.waker().clone();
        let (replaced, first) = {
            let mut sleepers = self.sleepers.lock();
            let first = sleepers.rings_at.is_none_or(|at| sleeper.0 < at);
            if first {
                sleepers.rings_at = Some(sleeper.0);
            }
            (sleepers.wakers.insert(sleeper, waker), first)
        };
        // After the lock: a waker's end may be that of another sleep.
        drop(replaced);
        if first {
            self.ring();
        }
        false
    }

    /// Nobody waits for it any longer.
    pub(super) fn forget(&self, sleeper: Sleeper) {
        // The alarm is left as it is: a needless ring costs less than setting it anew.
        let waker = self.sleepers.lock().wakers.remove(&sleeper);
        drop(waker);
    }

    /// Looks who is due, unless somebody is at it: who is looks again.
    ///
    /// Never two at once, nor one within the other: setting the alarm may ring it.
    fn ring(self: &Arc<Self>) {
        let mut rings = self.rings.fetch_add(1, Ordering::AcqRel) + 1;
        if rings > 1 {
            return;
        }
        let unset = Unset(self);
        loop {
            self.look();
            match self.rings.compare_exchange(rings, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(more) => rings = more,
            }
        }
        mem::forget(unset);
    }

    /// Wakes who is due, and sets the alarm for the next.
    fn look(self: &Arc<Self>) {
        let now = (self.now)();
        // Woken at the end, after the locks, and even if the alarm cannot be set.
        let mut due = Due(Vec::new());
        let next = {
            let mut sleepers = self.sleepers.lock();
            while let Some(first) = sleepers.wakers.first_entry().filter(|first| first.key().0 <= milliseconds(now)) {
                due.0.push(first.remove());
            }
            sleepers.rings_at = sleepers.wakers.keys().next().map(|&(at, _)| at);
            sleepers.rings_at
        };
        if let Some(next) = next {
            let wait = Duration::from_millis(next).saturating_sub(now);
            let mut delay = self.delay.lock();
            let delay = match &mut *delay {
                Some(delay) => {
                    delay.reset(wait);
                    delay
                }
                none => none.insert(Delay::new(wait)),
            };
            if Pin::new(delay).poll(&mut Context::from_waker(&Waker::from(self.clone()))).is_ready() {
                self.rings.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// The thread of `futures-timer` does not survive a panic, and no sleep of the process would ever end again.
    fn wake_by_ref(self: &Arc<Self>) {
        drop(catch_unwind(AssertUnwindSafe(|| self.ring())));
    }
}

/// A look that panics, since the system refuses a thread, is not the last: the next sleep sets the alarm anew.
struct Unset<'a>(&'a Alarm);

impl Drop for Unset<'_> {
    fn drop(&mut self) {
        *self.0.delay.lock() = None;
        self.0.sleepers.lock().rings_at = None;
        self.0.rings.store(0, Ordering::Release);
    }
}

/// Those whose time is over.
struct Due(Vec<Waker>);

impl Drop for Due {
    fn drop(&mut self) {
        for waker in self.0.drain(..) {
            // It is the end of somebody else's sleep: whoever looks is not to fail with it, nor those who are behind it.
            drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::task::Poll;
    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::future::{join_all, select};
    use std::sync::mpsc::channel;
    use std::thread;

    const HOUR: Duration = Duration::from_secs(3600);

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn alarm() -> Arc<Alarm> {
        Alarm::new(crate::time::system::elapsed)
    }

    struct Sleep(Arc<Alarm>, Sleeper);

    impl Sleep {
        fn new(alarm: &Arc<Alarm>, duration: Duration) -> Self {
            Self(alarm.clone(), alarm.sleeper(duration))
        }
    }

    impl Future for Sleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if self.0.is_over(self.1, cx) { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    impl Drop for Sleep {
        fn drop(&mut self) {
            self.0.forget(self.1);
        }
    }

    /// A waker that does this.
    struct Does<F>(F);

    impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    fn waker(wake: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker::from(Arc::new(Does(wake)))
    }

    /// All end, none of them early, whatever the order in which they were made; and nothing is left of them.
    #[test]
    fn no_sleep_ends_early() {
        let alarm = alarm();
        let count = if cfg!(miri) { 10 } else { 1000 };
        let sleeps = (0..count).map(|number| {
            let (alarm, duration) = (alarm.clone(), Duration::from_micros(number * 7919 % 30_000));
            async move {
                let began = (alarm.now)();
                Sleep::new(&alarm, duration).await;
                assert!((alarm.now)() >= began + duration);
            }
        });
        block_on(join_all(sleeps));
        assert!(alarm.sleepers.lock().wakers.is_empty());
    }

    /// A sleep that ends before all others sets the alarm anew.
    #[test]
    fn a_shorter_sleep_ends_first() {
        let alarm = alarm();
        let mut long = Sleep::new(&alarm, HOUR);
        assert!((&mut long).now_or_never().is_none());
        block_on(select(&mut long, Sleep::new(&alarm, ms(5))));
        assert_eq!(alarm.sleepers.lock().wakers.len(), 1);
        drop(long);
        assert!(alarm.sleepers.lock().wakers.is_empty());
    }

    /// Only a sleep that ends before all others tells the alarm.
    #[test]
    fn a_longer_sleep_leaves_the_alarm_alone() {
        let alarm = alarm();
        let mut first = Sleep::new(&alarm, HOUR);
        assert!((&mut first).now_or_never().is_none());
        let set = alarm.sleepers.lock().rings_at;
        assert!(set.is_some());
        let mut second = Sleep::new(&alarm, HOUR * 2);
        *alarm.delay.lock() = None;
        assert!((&mut second).now_or_never().is_none());
        assert!(alarm.delay.lock().is_none(), "it was not looked at");
        assert_eq!(alarm.sleepers.lock().rings_at, set);
    }

    /// The newest waker counts: a sleep may be handed on to another task.
    #[test]
    fn the_newest_waker_is_woken() {
        let alarm = alarm();
        let mut sleep = Sleep::new(&alarm, ms(5));
        let old = waker(|| panic!("the old one"));
        assert!(sleep.poll_unpin(&mut Context::from_waker(&old)).is_pending());
        block_on(sleep);
    }

    /// What a waker does may be to sleep: the alarm is not within itself.
    #[test]
    fn a_waker_may_sleep() {
        let alarm = alarm();
        let (woken, told) = channel();
        let inner = alarm.clone();
        let outer = waker(move || {
            let woken = woken.clone();
            let next = waker(move || woken.send(()).unwrap());
            let sleeper = inner.sleeper(ms(1));
            if inner.is_over(sleeper, &Context::from_waker(&next)) {
                next.wake();
            }
        });
        assert!(!alarm.is_over(alarm.sleeper(ms(5)), &Context::from_waker(&outer)));
        told.recv().unwrap();
    }

    /// A waker that panics in the task of another is nothing to that one, nor to those who are woken after it.
    #[test]
    fn a_waker_may_panic() {
        let alarm = alarm();
        let (woken, told) = channel();
        let mut sleepers = alarm.sleepers.lock();
        sleepers.wakers.insert((0, 0), waker(|| panic!("as the test wants it")));
        sleepers.wakers.insert((0, 1), waker(move || woken.send(()).unwrap()));
        drop(sleepers);
        alarm.ring();
        told.recv().unwrap();
        block_on(Sleep::new(&alarm, ms(5)));
    }

    /// Nor does one that panics on the thread that rings end the sleeps of the process.
    #[test]
    fn a_waker_may_panic_where_it_rings() {
        let alarm = alarm();
        let mut long = Sleep::new(&alarm, HOUR);
        assert!((&mut long).now_or_never().is_none());
        // Whoever comes late to setting the alarm wakes them itself.
        let rang_elsewhere = [20, 200, 2_000, 20_000].into_iter().any(|millis| {
            let ends = alarm.sleeper(ms(millis)).0;
            let (woken, told) = channel();
            let mut sleepers = alarm.sleepers.lock();
            sleepers.wakers.insert((ends, 0), waker(|| panic!("as the test wants it")));
            sleepers.wakers.insert((ends, 1), waker(move || woken.send(thread::current().id()).unwrap()));
            drop(sleepers);
            alarm.ring();
            told.recv().unwrap() != thread::current().id()
        });
        assert!(rang_elsewhere);
        block_on(Sleep::new(&alarm, ms(5)));
        block_on(Delay::new(ms(5)));
    }

    /// A task that is ended by a panic may sleep on its way out: those who sleep elsewhere still wake up.
    #[test]
    fn a_sleep_while_unwinding() {
        struct Late(Arc<Alarm>);
        impl Drop for Late {
            fn drop(&mut self) {
                block_on(Sleep::new(&self.0, ms(100)));
            }
        }
        let alarm = alarm();
        let (woken, told) = channel();
        let elsewhere = waker(move || woken.send(()).unwrap());
        let sleeper = alarm.sleeper(ms(200));
        assert!(!alarm.is_over(sleeper, &Context::from_waker(&elsewhere)));
        let late = Late(alarm.clone());
        assert!(
            catch_unwind(AssertUnwindSafe(move || {
                let _late = late;
                panic!("as the test wants it");
            }))
            .is_err()
        );
        told.recv().unwrap();
    }

    /// A poll that comes of something else needs to tell the alarm nothing; another task's does, and one after the alarm was lost.
    #[test]
    fn the_same_waker_is_told_once() {
        let alarm = alarm();
        let (mine, others) = (waker(|| ()), waker(|| ()));
        let sleeper = alarm.sleeper(HOUR);
        let is_told = |waker| alarm.sleepers.lock().is_told(sleeper, waker);
        assert!(!is_told(&mine));
        assert!(!alarm.is_over(sleeper, &Context::from_waker(&mine)));
        assert!(is_told(&mine));
        assert!(!is_told(&others));
        drop(Unset(&alarm));
        assert!(!is_told(&mine));
    }

    /// R16: no duration is too long.
    #[test]
    fn the_longest_sleep_is_one() {
        let alarm = alarm();
        assert!(Sleep::new(&alarm, Duration::MAX).now_or_never().is_none());
    }
}
