//! The shipped code keeps its promises within the scopes, and each planted fault is found. Made for `--release`.

use lessor_model::{Check, Fault, Scope, Search};

#[track_caller]
fn holds(check: &Check) {
    let report = check.run().unwrap();
    assert!(report.exhausted && !report.is_violated(), "{report}");
    assert_eq!(report.missing().next(), None, "{report}");
}

/// All processors on one scope: the largest takes longer than all others together.
fn depth_first(scope: Scope) -> Check {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Check { search: Search::DepthFirst, threads, ..Check::new(scope) }
}

#[test]
fn the_tiny_scope_holds() {
    holds(&Check::new(Scope::tiny()));
}

#[test]
fn the_small_scope_holds() {
    holds(&depth_first(Scope::small()));
}

#[test]
fn steps_of_the_storage_clock_are_harmless() {
    for scope in [Scope::back(), Scope::forward()] {
        holds(&depth_first(scope));
    }
}

#[test]
fn transfers_reach_whom_they_name() {
    holds(&depth_first(Scope::transfer()));
}

#[test]
fn observers_of_a_register_judge_well() {
    for scope in [Scope::registers(), Scope::marks(), Scope::coarse()] {
        holds(&depth_first(scope));
    }
}

/// A model that finds nothing where there is something would be worth nothing.
#[test]
fn each_fault_is_found() {
    for fault in Fault::ALL {
        let report = Check { fault: Some(fault), ..Check::new(fault.scope()) }.run().unwrap();
        assert!(report.is_violated(), "{fault} went unnoticed\n{report}");
    }
}
