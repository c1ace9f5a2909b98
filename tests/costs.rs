//! What a candidate costs, where it can be counted.

mod faulty;

use std::future::pending;

use faulty::{candidate, fixture};

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
