//! The shipped timers.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{Instant, ManualTimer, SystemTimer, Timer, time};

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
