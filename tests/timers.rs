//! One type of handles for every timer, and types of their own for those that stay in their thread.

mod service;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, LocalBoxFuture, join, pending};
use lessor::storage::MaybeSendSync;
use lessor::time::AnyTimer;
use lessor::{
    BuildError, Builder, Candidate, Driver, Event, Events, Guard, Instant, Key, Leadership, ManualTimer, MemoryStorage,
    Observer, Storage, StorageExt, SystemTimer, Timer, TokioTimer, time,
};
use service::{builder, serve};

/// The service on this timer.
async fn served<T: Timer<Sleep: Send> + MaybeSendSync + Clone + 'static>(timer: T) {
    let storage = MemoryStorage::with_timer(timer.clone());
    let observer = builder().observe_on(storage.clone(), timer.clone()).unwrap();
    serve(builder().build_on(storage, timer).unwrap(), observer).await;
}

#[test]
fn on_the_systems_timer() {
    smol::block_on(served(SystemTimer::new()));
    let storage = MemoryStorage::new();
    let observer = builder().observe(storage.clone()).unwrap();
    smol::block_on(serve(builder().build(storage).unwrap(), observer));
}

#[tokio::test(start_paused = true)]
async fn on_tokios_timer() {
    served(TokioTimer::new()).await;
}

#[test]
fn in_virtual_time() {
    let timer = ManualTimer::new();
    timer.block_on(served(timer.clone())).unwrap();
}

/// Its clock is a number, its sleep another type than any here.
#[derive(Clone, Copy)]
struct HandMade;

static READINGS: AtomicU64 = AtomicU64::new(1_000_000_000);

impl Timer for HandMade {
    type Sleep = BoxFuture<'static, u8>;

    fn now(&self) -> Instant {
        Instant::from_origin(Duration::from_nanos(READINGS.fetch_add(1, Ordering::Relaxed)))
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        Box::pin(async move {
            smol::Timer::after(duration).await;
            READINGS.fetch_add(duration.as_nanos() as u64, Ordering::Relaxed);
            0
        })
    }
}

#[test]
fn on_a_timer_made_by_hand() {
    smol::block_on(served(HandMade));
}

/// A timer that is erased already, and one behind a pointer.
#[test]
fn on_a_timer_behind_a_pointer() {
    let timer = ManualTimer::new();
    timer.block_on(served(AnyTimer::new(timer.clone()))).unwrap();
    timer.block_on(served(Arc::new(timer.clone()))).unwrap();
}

/// A clock and a sleep of one thread, as a thread-per-core runtime has them: neither is `Send`.
#[derive(Clone)]
struct Local {
    timer: ManualTimer,
    readings: Rc<Cell<u32>>,
}

impl Timer for Local {
    type Sleep = LocalBoxFuture<'static, ()>;

    fn now(&self) -> Instant {
        self.readings.set(self.readings.get() + 1);
        self.timer.now()
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        Box::pin(self.timer.sleep(duration))
    }
}

/// A service that is content with its thread.
struct LocalService {
    candidate: Candidate<Local>,
    leadership: Option<Leadership<Local>>,
}

#[test]
fn a_timer_may_stay_in_its_thread() {
    let manual = ManualTimer::new();
    let timer = Local { timer: manual.clone(), readings: Rc::default() };
    let storage = MemoryStorage::with_timer(manual.clone());
    let entropy = || {
        let mut drawn = 0;
        move || {
            drawn += 1;
            drawn
        }
    };
    let (candidate, driver) = builder().build_local(storage.clone(), timer.clone(), entropy()).unwrap();
    let (mut observer, watching) = builder().observe_local(storage, timer.clone(), entropy()).unwrap();
    let serving = async {
        let mut service = LocalService { candidate, leadership: None };
        let leadership = service.candidate.elected().await.unwrap();
        let guard: Guard<Local> = leadership.guard().unwrap();
        service.leadership = Some(leadership);
        while observer.leader_changed().await.unwrap().is_none() {}
        timer.sleep(Duration::from_secs(60)).await;
        assert!(service.candidate.is_leader(), "renewed");
        drop(guard);
        service.candidate.resign().await.unwrap();
        assert!(!service.leadership.unwrap().is_valid());
        service.candidate.shutdown().await.unwrap();
        drop(observer);
    };
    manual.block_on(join(join(driver.run(), watching.run()), serving)).unwrap();
    assert!(timer.readings.get() > 100, "it was asked for the time");
}

/// R18: handles cross threads, and so do all of their futures, where the timer's type is not named.
#[test]
fn what_is_erased_is_send() {
    fn both<T: Send + Sync>() {}
    fn is_send<T: Send>() {}
    fn sent(_: impl Send) {}
    both::<(Candidate, Leadership, Guard, Observer, AnyTimer)>();
    is_send::<(Driver<MemoryStorage>, Driver<Box<dyn Storage>>, Events, <AnyTimer as Timer>::Sleep)>();

    // Never called: it is enough that it compiles.
    fn _futures(mut candidate: Candidate, leadership: Leadership, guard: Guard, mut observer: Observer) {
        sent(candidate.elected());
        sent(candidate.leader_changed());
        sent(candidate.set_value(None));
        sent(candidate.resign());
        sent(candidate.shutdown());
        sent(leadership.run(pending::<()>()));
        sent(leadership.ending());
        sent(leadership.lost());
        sent(guard.ending());
        sent(observer.leader_changed());
        let mut events = observer.events();
        sent(futures::StreamExt::next(&mut events));
    }
    fn _drivers(mut stepped: Driver<MemoryStorage>, run: Driver<MemoryStorage>, until: Driver<Box<dyn Storage>>) {
        sent(stepped.step());
        sent(run.run());
        sent(until.run_until(pending::<()>()));
    }
    sent(Event::Stopped);
}

/// A clock that shows whole ticks, as true time goes on.
#[derive(Clone)]
struct Ticking {
    timer: ManualTimer,
    tick: Duration,
    says: Duration,
}

impl Timer for Ticking {
    type Sleep = <ManualTimer as Timer>::Sleep;

    fn now(&self) -> Instant {
        let ticks = self.timer.now().since_origin().as_nanos() / self.tick.as_nanos();
        Instant::from_origin(self.tick * u32::try_from(ticks).unwrap())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.timer.sleep(duration)
    }

    fn resolution(&self) -> Duration {
        self.says
    }
}

/// For how long a leader that stands still believes in its lease after that has ended, at worst: by when within a tick it
/// was granted.
fn believes_for_too_long(margin: Duration, says: Duration) -> Result<Duration, BuildError> {
    let (ttl, tick) = (Duration::from_millis(105), Duration::from_micros(15_625));
    let mut worst = Duration::ZERO;
    for offset in (0..tick.as_micros()).step_by(125) {
        let timer = ManualTimer::new();
        timer.advance(Duration::from_micros(u64::try_from(offset).unwrap()));
        let clock = Ticking { timer: timer.clone(), tick, says };
        let storage = MemoryStorage::with_timer(timer.clone());
        let mut draws = 0;
        let entropy = move || {
            draws += 1;
            draws
        };
        let (candidate, mut driver) =
            Builder::new("k").ttl(ttl).margin(margin).build_with(storage.clone(), clock, entropy)?;
        timer.block_on(driver.step()).unwrap();
        assert!(candidate.is_leader());
        let get = || timer.block_on(storage.get(&Key::new("k").unwrap())).unwrap().unwrap().unwrap();
        while get().is_live() {
            timer.advance(Duration::from_micros(250));
        }
        let over = timer.now();
        while candidate.is_leader() {
            timer.advance(Duration::from_micros(250));
        }
        worst = worst.max(timer.now().saturating_duration_since(over));
    }
    Ok(worst)
}

/// R1: a clock that shows whole ticks lets its leader go on for up to one of them. A margin that does not cover it is
/// refused, one that does is enough, and who conceals the ticks has two leaders.
#[test]
fn the_margin_covers_the_grain_of_the_clock() {
    let (ms, tick) = (Duration::from_millis, Duration::from_micros(15_625));
    let needed = tick + ms(1) + Duration::from_micros(105);
    assert_eq!(believes_for_too_long(needed, tick).unwrap(), Duration::ZERO);
    assert!(believes_for_too_long(ms(10), Duration::ZERO).unwrap() > ms(4), "concealed");
    let error = believes_for_too_long(ms(10), tick).unwrap_err();
    assert_eq!(
        error.to_string(),
        "margin is 10ms, but the timer's clock has a resolution of 15.625ms, and resolution + 1ms + ttl / 1000 is 16.73ms, not \
         less: set a longer margin or ttl, or take a finer clock"
    );
}

/// What holds a timer says what the timer says.
#[test]
fn a_resolution_is_handed_on() {
    fn resolution(timer: impl Timer) -> Duration {
        timer.resolution()
    }
    let tick = Duration::from_millis(20);
    let timer = Ticking { timer: ManualTimer::new(), tick, says: tick };
    assert_eq!(resolution(&timer), tick);
    assert_eq!(resolution(Box::new(timer.clone())), tick);
    assert_eq!(resolution(Rc::new(timer.clone())), tick);
    assert_eq!(resolution(Arc::new(timer.clone())), tick);
    assert_eq!(resolution(AnyTimer::new(timer)), tick);
    let fns = time::from_fns(|| Duration::ZERO, |_| core::future::ready(()));
    assert_eq!((fns.resolution(), resolution(fns.with_resolution(tick))), (Duration::from_millis(1), tick));
    assert_eq!(resolution(SystemTimer::new()), Duration::from_millis(1));
}
