//! A candidate against a row, step by step.

use super::*;

/// A machine whose time of day is right, or wrong by so much.
fn clocks(ms: u64, offset_ms: i64) -> Clocks {
    Clocks { wall_ms: ms as i64 + offset_ms, monotonic: Duration::from_millis(ms) }
}

fn candidate(id: u64) -> Less {
    Less::start(id, Random::stream(0, "less", 0), clocks(0, 0))
}

/// Lets it do what is due at this time; answers when it wants to go on.
fn run(less: &mut Less, row: &mut Option<Row>, clocks: Clocks) -> Duration {
    loop {
        match less.next(clocks) {
            Todo::Wait { until } => return until,
            Todo::Call { request, .. } => less.answered(clocks, Ok(Less::apply(row, &request, 0))),
        }
    }
}

/// Lets all that is due at this time fail.
fn fail(less: &mut Less, clocks: Clocks) -> Duration {
    loop {
        match less.next(clocks) {
            Todo::Wait { until } => return until,
            Todo::Call { .. } => less.answered(clocks, Err(Failed)),
        }
    }
}

#[test]
fn the_first_one_leads_and_goes_on() {
    let (mut first, mut second, mut row) = (candidate(1), candidate(2), None);
    for ms in (0..60_000).step_by(2000) {
        let until = run(&mut first, &mut row, clocks(ms, 0));
        assert_eq!(until, Duration::from_millis(ms + 2000));
        run(&mut second, &mut row, clocks(ms, 0));
        assert!(first.is_leader && !second.is_leader);
    }
    assert_eq!(row, Some(Row { holder: 1, deadline_ms: 68_000 }));
}

#[test]
fn a_follower_takes_over_once_the_deadline_has_passed() {
    let (mut first, mut second, mut row) = (candidate(1), candidate(2), None);
    run(&mut first, &mut row, clocks(0, 0));
    run(&mut second, &mut row, clocks(10_000, 0));
    assert!(!second.is_leader);
    run(&mut second, &mut row, clocks(12_000, 0));
    assert!(second.is_leader);
    // The flag of the other one knows nothing of time.
    assert!(first.is_leader);
}

#[test]
fn a_follower_whose_clock_is_ahead_takes_a_live_row() {
    let (mut first, mut second, mut row) = (candidate(1), candidate(2), None);
    run(&mut first, &mut row, clocks(0, 0));
    run(&mut second, &mut row, clocks(0, 10_001));
    assert!(first.is_leader && second.is_leader);
}

#[test]
fn falls_back_one_pause_after_the_third_error_in_a_row() {
    let (mut less, mut row) = (candidate(1), None);
    run(&mut less, &mut row, clocks(0, 0));
    fail(&mut less, clocks(2000, 0));
    fail(&mut less, clocks(4000, 0));
    run(&mut less, &mut row, clocks(6000, 0));
    for ms in [8000, 10_000, 12_000] {
        assert_eq!(fail(&mut less, clocks(ms, 0)), Duration::from_millis(ms + 2000));
        assert!(less.is_leader);
    }
    assert_eq!(run(&mut less, &mut row, clocks(14_000, 0)), Duration::from_secs(16));
    assert!(!less.is_leader);
    // Its own row, which nobody released, is held against it as against any other.
    run(&mut less, &mut row, clocks(16_000, 0));
    assert!(!less.is_leader);
    run(&mut less, &mut row, clocks(18_000, 0));
    assert!(less.is_leader);
}

#[test]
fn a_former_leader_prolongs_the_row_of_the_new_one() {
    let (mut first, mut second, mut row) = (candidate(1), candidate(2), None);
    run(&mut first, &mut row, clocks(0, 0));
    run(&mut second, &mut row, clocks(11_000, 0));
    run(&mut first, &mut row, clocks(20_000, 0));
    assert_eq!(row, Some(Row { holder: 2, deadline_ms: 30_000 }));
    assert!(!first.is_leader && second.is_leader);
}

#[test]
fn a_read_that_comes_after_the_deadline_ends_a_reign() {
    let (mut less, mut row) = (candidate(1), None);
    run(&mut less, &mut row, clocks(0, 0));
    less.answered(clocks(2000, 0), Ok(Answer::Got(row)));
    assert!(less.is_leader);
    less.answered(clocks(10_001, 0), Ok(Answer::Got(row)));
    assert!(!less.is_leader);
}

#[test]
fn a_leader_revives_its_own_row_after_the_deadline() {
    let (mut less, mut row) = (candidate(1), None);
    run(&mut less, &mut row, clocks(0, 0));
    run(&mut less, &mut row, clocks(60_000, 0));
    assert!(less.is_leader);
    assert_eq!(row, Some(Row { holder: 1, deadline_ms: 70_000 }));
}

#[test]
fn an_answer_that_was_lost_leaves_nobody_leading_until_the_deadline() {
    let (mut less, mut row) = (candidate(1), None);
    let Todo::Call { request, .. } = less.next(clocks(0, 0)) else { panic!("nothing sent") };
    Less::apply(&mut row, &request, 0);
    less.answered(clocks(0, 0), Err(Failed));
    run(&mut less, &mut row, clocks(10_000, 0));
    assert!(!less.is_leader);
    run(&mut less, &mut row, clocks(12_000, 0));
    assert!(less.is_leader);
}
