//! One type of handles for every timer, and types of their own for those that stay in their thread.

mod service;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, LocalBoxFuture, join, pending};
use lessor::storage::MaybeSendSync;
use lessor::time::AnyTimer;
use lessor::{
    Candidate, Driver, Event, Events, Guard, Instant, Leadership, ManualTimer, MemoryStorage, Observer, Storage,
    SystemTimer, Timer, TokioTimer,
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
    timer.block_on(served(std::sync::Arc::new(timer.clone()))).unwrap();
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
