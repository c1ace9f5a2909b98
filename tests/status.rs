//! What probes ask, over virtual time.

mod faulty;

use faulty::{Fault, candidate, fixture, ms, secs, spawned};
use lessor::{Builder, LostReason, Role, Timer};

const TTL: std::time::Duration = secs(10);

/// A leader, a follower and an observer are live and ready for as long as they run, whatever they wait for.
#[test]
fn who_runs_is_live_and_ready() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let b = spawned("b", &storage, &timer);
    let (observer, driver) = Builder::new("k").observe_with(storage, timer.clone(), || 7).unwrap();
    timer.spawn(driver.run());
    let watch = async {
        for _ in 0..2000 {
            timer.sleep(ms(311)).await;
            for status in [a.status(), b.status(), observer.status()] {
                assert_eq!(status.at, timer.now());
                assert!(status.is_live(ms(0)) && status.is_ready(ms(0)), "{status:?}");
            }
        }
    };
    timer.block_on(watch).unwrap();
    assert!(a.is_leader());
}

/// Somebody who cools off for an hour says nothing, and is neither dead nor ill.
#[test]
fn cooling_off_is_no_illness() {
    let (timer, storage) = fixture();
    let (a, driver) =
        Builder::new("k").id("a").cool_off(secs(3600)).build_with(storage, timer.clone(), faulty::entropy(1)).unwrap();
    timer.spawn(driver.run());
    timer.block_on(a.elected()).unwrap().unwrap();
    timer.block_on(a.resign()).unwrap().unwrap();
    timer.block_on(timer.sleep(secs(3000))).unwrap();
    let status = a.status();
    assert_eq!(status.role, Role::CoolingOff);
    assert!(status.is_live(ms(0)) && status.is_ready(ms(0)), "{status:?}");
}

/// A storage that fails, or does not answer, makes nobody dead; ready they are for the patience.
#[test]
fn a_failing_storage_ends_readiness_only() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Deny] {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        storage.set(fault);
        // Its first failure comes within a renew interval and a request timeout, more or less.
        timer.block_on(timer.sleep(ms(4500))).unwrap();
        assert!(a.status().failures > 0 && a.status().is_ready(TTL) && !a.status().is_ready(secs(4)));
        timer.block_on(timer.sleep(ms(5600))).unwrap();
        assert!(!a.status().is_ready(TTL));
        timer.block_on(timer.sleep(secs(3600))).unwrap();
        let status = a.status();
        assert!(status.is_live(ms(0)) && !status.is_ready(TTL), "{status:?}");
        storage.set(Fault::None);
        timer.block_on(a.elected()).unwrap().unwrap();
        assert!(a.status().is_ready(ms(0)));
    }
}

/// Who never heard from the storage is not ready.
#[test]
fn nothing_heard_is_not_ready() {
    let (timer, storage) = fixture();
    storage.set(Fault::Hang);
    let a = spawned("a", &storage, &timer);
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert_eq!((a.status().failures, a.status().last_success), (0, None));
    assert!(a.status().is_live(ms(0)) && !a.status().is_ready(secs(3600)));
}

/// A driver that stands still is found out, whatever it last said of itself.
#[test]
fn a_starved_driver_is_not_live() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let due = a.status().due;
    assert!(due > timer.now() && due <= timer.now().saturating_add(ms(2200)), "the next renewal");
    timer.advance(due.saturating_duration_since(timer.now()));
    assert_eq!(a.status().overdue(), ms(0));
    timer.advance(TTL);
    assert_eq!(a.status().overdue(), TTL);
    assert!(a.status().is_live(TTL), "late by no more than the patience");
    timer.advance(ms(1));
    assert!(!a.status().is_live(TTL) && !a.status().is_ready(TTL));
    assert!(a.status().driver_alive && a.status().failures == 0, "it does not know");
    // Back on its feet.
    timer.block_on(timer.sleep(ms(1))).unwrap();
    assert!(a.status().is_live(ms(0)) && a.status().is_ready(ms(0)));
}

/// A driver that was never run is late from the beginning; one that was dropped or stopped is not live.
#[test]
fn a_driver_that_does_not_run_is_not_live() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    assert!(a.status().is_live(ms(0)));
    timer.advance(secs(11));
    assert_eq!((a.status().overdue(), a.status().is_live(TTL)), (secs(11), false));
    drop(driver);
    assert!(!a.status().is_live(secs(3600)));

    let b = spawned("b", &storage, &timer);
    let leadership = timer.block_on(b.elected()).unwrap().unwrap();
    timer.block_on(b.shutdown()).unwrap().unwrap();
    assert_eq!(timer.block_on(leadership.lost()).unwrap().reason, LostReason::Stopped);
    assert!(!b.status().is_live(secs(3600)) && !b.status().is_ready(secs(3600)));
}

/// Between two steps of an alarm the driver is in time, and late when the alarm does not come.
#[test]
fn alarms_are_in_time_or_late() {
    let (timer, storage) = fixture();
    let (a, mut driver) = candidate("a", &storage, &timer);
    for _ in 0..20 {
        let step = timer.block_on(driver.step()).unwrap();
        let wake_in = step.wake_in.unwrap();
        assert_eq!(step.status.overdue(), ms(0));
        timer.advance(wake_in);
        assert!(a.status().overdue() <= ms(1), "{:?}", a.status());
    }
    timer.advance(secs(5));
    assert!(!a.status().is_live(secs(4)) && a.status().is_live(secs(6)));
}
