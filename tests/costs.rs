//! What a candidate costs, where it can be counted.

mod faulty;

use std::future::pending;

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs, spawned};
use futures::future::select_all;
use lessor::{Builder, Config, Key, ManualTimer, StorageExt, Timer};

/// What the futures of a driver need beside it: a sleep, and where they are.
const WAITING: usize = 192;

/// A driver is held once by the future that runs it.
#[test]
fn a_running_driver_is_held_once() {
    let (timer, storage) = fixture();
    let driver = |id| candidate(id, &storage, &timer).1;
    let most = size_of_val(&driver("a")) + WAITING;
    let sizes = [size_of_val(&driver("a").run()), size_of_val(&driver("b").run_until(pending::<()>()))];
    assert!(sizes.iter().all(|&size| size <= most), "{sizes:?}, at most {most}");
}

/// R18: what runs a driver may cross threads, where storage and timer may.
#[test]
fn a_running_driver_may_cross_threads() {
    fn crosses_threads(_: impl Send) {}
    let (timer, storage) = fixture();
    crosses_threads(candidate("a", &storage, &timer).1.run());
    crosses_threads(candidate("b", &storage, &timer).1.run_until(pending::<()>()));
}

/// R13, postures: 100 candidates of one key whose storage tells them of everything. Each asks when the lease that it saw
/// would be over, which is renewed all the time: once per ttl, and five times as often where nobody tells it.
#[test]
fn told_followers_ask_once_per_ttl() {
    for (storage_tells, rate) in [(true, 9.0..=12.5), (false, 45.0..=55.0)] {
        let timer = ManualTimer::new();
        let storage = if storage_tells { Faulty::new(&timer) } else { Faulty::silent(&timer) };
        let followers = storage.another_way();
        let leader = spawned("leader", &storage, &timer);
        let others: Vec<_> = (0..99).map(|number| spawned(&format!("{number}"), &followers, &timer)).collect();
        timer.block_on(timer.sleep(secs(30))).unwrap();
        let before = followers.acquires();
        timer.block_on(timer.sleep(secs(300))).unwrap();
        let reads = (followers.acquires() - before) as f64 / 300.0;
        assert!(rate.contains(&reads), "{reads} a second");
        assert_eq!(followers.renewals() + followers.gets(), 0);
        assert!(leader.is_leader());

        let resigned = timer.now();
        timer.block_on(leader.shutdown()).unwrap().unwrap();
        timer.block_on(select_all(others.iter().map(|other| Box::pin(other.elected())))).unwrap().0.unwrap();
        let took = timer.now().saturating_duration_since(resigned);
        assert!(if storage_tells { took.is_zero() } else { took <= ms(2200) }, "{took:?}");
    }
}

/// R12: they are there when the lease of a leader that vanished runs out, be they told of other things or not.
#[test]
fn told_followers_are_due_when_the_lease_ends() {
    for vanishes_after in [ms(10_000), ms(10_700), ms(11_300), ms(11_900)] {
        let (timer, storage) = fixture();
        let broken = storage.another_way();
        let leader = spawned("leader", &broken, &timer);
        let others: Vec<_> = (0..3).map(|number| spawned(&format!("{number}"), &storage, &timer)).collect();
        timer.block_on(timer.sleep(vanishes_after)).unwrap();
        broken.set(Fault::Hang);
        timer.block_on(timer.sleep(secs(3))).unwrap();
        let lease = timer.block_on(storage.get(&Key::new("k").unwrap())).unwrap().unwrap().unwrap();
        let ends = timer.now().saturating_add(lease.time_left);
        timer.block_on(select_all(others.iter().map(|other| Box::pin(other.elected())))).unwrap().0.unwrap();
        let late = timer.now().saturating_duration_since(ends);
        assert!(timer.now() >= ends && late <= ms(100), "{late:?}");
        assert!(!leader.is_leader());
    }
}

/// The default retry interval is the ttl where the storage tells candidates of everything, unless it is set, by itself or with
/// all others; observers look as often as ever.
#[test]
fn the_retry_interval_follows_from_the_storage() {
    let timer = ManualTimer::new();
    let (tells, silent) = (Faulty::new(&timer), Faulty::silent(&timer));
    let builder = || Builder::new("k").ttl(secs(20));
    let of = |builder: Builder, storage: &Faulty| {
        let (_candidate, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(1)).unwrap();
        (driver.config().retry_interval, driver.config().cool_off)
    };
    assert_eq!(of(builder(), &tells), (secs(20), secs(8)));
    assert_eq!(of(builder(), &silent), (secs(4), secs(8)));
    assert_eq!(of(builder().retry_interval(secs(3)), &tells), (secs(3), secs(6)));
    assert_eq!(of(builder().cool_off(secs(1)), &tells), (secs(20), secs(1)));
    assert_eq!(of(builder().config(Config::with_ttl(secs(20))), &tells), (secs(4), secs(8)));

    let (_observer, driver) = builder().observe_with(tells, timer.clone(), entropy(1)).unwrap();
    assert_eq!(driver.config().retry_interval, secs(4));
}

/// Of a wake-up that is missing an observer learns within a fifth of the ttl.
#[test]
fn an_observer_looks_as_often_as_ever() {
    let (timer, storage) = fixture();
    let looks = storage.another_way();
    let _leader = spawned("leader", &storage, &timer);
    let (_observer, driver) = Builder::new("k").observe_with(looks.clone(), timer.clone(), entropy(1)).unwrap();
    timer.spawn(driver.run());
    timer.block_on(timer.sleep(secs(200))).unwrap();
    assert!((95..=105).contains(&looks.gets()), "{}", looks.gets());
}
