//! The shipped timers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use lessor::{
    Builder, Candidate, Driver, Event, Group, GroupDriver, Instant, LostReason, ManualTimer, MemoryStorage, Spread,
    SystemTimer, Timer, time,
};

/// R8: the default clock counts the time that the machine sleeps: on Linux it is `CLOCK_BOOTTIME`, to the nanosecond.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn the_system_clock_counts_suspend() {
    use rustix::time::{ClockId, clock_gettime};
    let boot_time = || Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap();
    for _ in 0..1000 {
        let (before, now, after) = (boot_time(), SystemTimer::new().now().since_origin(), boot_time());
        assert!(before <= now && now <= after);
    }
}

/// The clock never goes back, and a sleep does not end early.
#[test]
fn the_system_timer_sleeps_long_enough() {
    let timer = SystemTimer::new();
    for millis in [0, 1, 5, 20] {
        let before = timer.now();
        block_on(timer.sleep(Duration::from_millis(millis)));
        assert!(timer.now().saturating_duration_since(before) >= Duration::from_millis(millis));
    }
}

/// Pointers to timers are timers, and so is a pair of functions.
#[test]
fn timers_compose() {
    fn reading(timer: impl Timer) -> Instant {
        block_on(timer.sleep(Duration::ZERO));
        timer.now()
    }
    let manual = ManualTimer::new();
    manual.advance(Duration::from_secs(41));
    let expected = Instant::from_origin(Duration::from_secs(42));
    assert_eq!(reading(&manual), expected);
    assert_eq!(reading(Box::new(manual.clone())), expected);
    assert_eq!(reading(Arc::new(manual.clone())), expected);
    let sleeper = manual.clone();
    let pair = time::from_fns(move || manual.now().since_origin(), move |duration| sleeper.sleep(duration));
    assert_eq!(reading(pair), expected);
}

/// Readings of one machine agree between threads: what one thread read lies not after what another reads then.
#[test]
fn readings_agree_between_threads() {
    let before = SystemTimer::new().now();
    let other = std::thread::spawn(|| SystemTimer::new().now()).join().unwrap();
    assert!(before <= other && other <= SystemTimer::new().now());
}

/// A clock that somebody sets.
#[derive(Clone)]
struct Wall {
    timer: ManualTimer,
    back: Arc<Mutex<Duration>>,
}

impl Wall {
    fn set_back(&self, by: Duration) {
        *self.back.lock().unwrap() += by;
    }
}

impl Timer for Wall {
    type Sleep = <ManualTimer as Timer>::Sleep;

    fn now(&self) -> Instant {
        self.timer.now().saturating_sub(*self.back.lock().unwrap())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.timer.sleep(duration)
    }
}

fn wall() -> (Wall, MemoryStorage) {
    let timer = ManualTimer::new();
    timer.advance(Duration::from_secs(10_000));
    (Wall { timer: timer.clone(), back: Arc::default() }, MemoryStorage::with_timer(timer))
}

fn entropy() -> impl FnMut() -> u64 {
    let mut draws = 0;
    move || {
        draws += 1;
        draws
    }
}

fn on_a_wall_clock() -> (Wall, Candidate, Driver<MemoryStorage>) {
    let (wall, storage) = wall();
    let (candidate, driver) = Builder::new("k").build_with(storage, wall.clone(), entropy()).unwrap();
    (wall, candidate, driver)
}

/// Ten candidates, of one process or of one that shares its keys.
fn ten_on_a_wall_clock(is_spread: bool) -> (Wall, Group, GroupDriver<MemoryStorage>) {
    let (wall, storage) = wall();
    let mut builder = Group::builder().id("a");
    if is_spread {
        builder = builder.spread(Spread::new("town"));
    }
    let (group, driver) = builder.build_with(storage, wall.clone(), entropy()).unwrap();
    for number in 0..10 {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    (wall, group, driver)
}

/// R3: whoever looks at a clock that shows less than when the lease was asked for sees the end, driver or none, and for good.
#[test]
fn nobody_leads_by_a_clock_that_went_back() {
    let (wall, candidate, mut driver) = on_a_wall_clock();
    wall.timer.block_on(driver.step()).unwrap();
    let leadership = candidate.leadership().unwrap();
    wall.timer.advance(Duration::from_secs(1));
    assert!(candidate.is_leader());
    wall.set_back(Duration::from_secs(60));
    assert!(!candidate.is_leader() && !leadership.is_valid() && candidate.status().term.is_none());
    wall.timer.advance(Duration::from_secs(5));
    assert!(!candidate.is_leader() && !leadership.is_valid());
    let step = wall.timer.block_on(driver.step()).unwrap();
    assert_eq!(step.status.term.unwrap().get(), 2, "it begins anew");
    let ended = leadership.check(Duration::ZERO).unwrap_err().to_string();
    assert_eq!(ended, "term 1 has ended: the candidate's clock went back");
}

/// A step that is too small to be seen like that is seen by the driver, if it is more than the time between two looks.
#[test]
fn a_driver_sees_a_clock_that_went_back() {
    let (wall, candidate, driver) = on_a_wall_clock();
    let mut events = candidate.events();
    wall.timer.spawn(driver.run());
    wall.timer.block_on(candidate.elected()).unwrap().unwrap();
    let look = || {
        candidate.set_claim_delay(Duration::ZERO);
        wall.timer.block_on(wall.timer.sleep(Duration::from_millis(1)));
    };
    wall.timer.advance(Duration::from_millis(1_000));
    look();
    wall.set_back(Duration::from_millis(900));
    assert!(candidate.is_leader(), "for all that the handle can see");
    look();
    let lost = wall.timer.block_on(async {
        loop {
            if let Event::Lost { reason, .. } = events.next().await.unwrap() {
                break reason;
            }
        }
    });
    assert_eq!(lost, Some(LostReason::ClockWentBack));
    assert_eq!(wall.timer.block_on(candidate.elected()).unwrap().unwrap().term().get(), 2);
}

/// A group sees it too, also while none of its candidates has anything to do: it does not wait until the clock shows again what
/// it did.
#[test]
fn a_group_sees_a_clock_that_went_back() {
    for (is_spread, back, within) in [(false, 3_600, 30), (true, 3_600, 60), (false, 1, 30)] {
        let (wall, group, driver) = ten_on_a_wall_clock(is_spread);
        wall.timer.spawn(driver.run());
        let pass = |seconds| wall.timer.block_on(wall.timer.sleep(Duration::from_secs(seconds))).unwrap();
        let led = || group.candidates().iter().filter(|candidate| candidate.is_leader()).count();
        pass(if is_spread { 60 } else { 5 });
        assert_eq!(led(), 10);
        wall.set_back(Duration::from_secs(back));
        pass(within);
        assert_eq!(led(), 10, "{back} s back, spread: {is_spread}");
        // And on: they are renewed.
        pass(60);
        assert_eq!(led(), 10, "{back} s back, spread: {is_spread}");
    }
}

/// Who steps is not told to come back when the clock shows again what it did.
#[test]
fn the_steps_of_a_group_see_a_clock_that_went_back() {
    let (wall, group, mut driver) = ten_on_a_wall_clock(false);
    wall.timer.block_on(driver.step()).unwrap();
    let before: Vec<_> = group.candidates().iter().filter_map(Candidate::leadership).collect();
    wall.set_back(Duration::from_secs(3_600));
    let step = wall.timer.block_on(driver.step()).unwrap();
    assert_eq!(step.status.leading, 10, "they begin anew");
    assert!(step.wake_in.unwrap() < Duration::from_secs(3), "{step:?}");
    assert!(before.len() == 10 && before.iter().all(|leadership| !leadership.is_valid()));
}
