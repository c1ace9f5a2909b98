//! An elector against the API server, step by step.

use super::*;

fn clocks(ms: u64) -> Clocks {
    Clocks { wall_ms: ms as i64, monotonic: Duration::from_millis(ms) }
}

fn candidate(id: u64) -> ClientGo {
    ClientGo::start(id, Random::stream(id, "client-go", 0), clocks(0))
}

/// Lets it do what is due at this time; answers what it sent, and when it wants to go on.
fn run(elector: &mut ClientGo, row: &mut Option<Lease>, clocks: Clocks) -> (Vec<&'static str>, u64) {
    let mut sent = Vec::new();
    loop {
        match elector.next(clocks) {
            Todo::Wait { until } => return (sent, until.as_millis() as u64),
            Todo::Call { request, .. } => {
                sent.push(ClientGo::operation(&request));
                elector.answered(clocks, Ok(ClientGo::apply(row, &request, 1000)));
            }
        }
    }
}

/// Sends what is due at this time; its answer, if the storage gives one, is lost.
fn lose(elector: &mut ClientGo, row: Option<&mut Option<Lease>>, clocks: Clocks) -> Duration {
    let Todo::Call { request, timeout } = elector.next(clocks) else { panic!("nothing sent at {clocks:?}") };
    row.map(|row| ClientGo::apply(row, &request, 1000));
    elector.answered(Clocks { monotonic: clocks.monotonic + timeout, ..clocks }, Err(Failed));
    timeout
}

/// Two, of which the first one leads since 0 ms.
fn led() -> (ClientGo, ClientGo, Option<Lease>) {
    let (mut first, mut second, mut row) = (candidate(1), candidate(2), None);
    assert_eq!(run(&mut first, &mut row, clocks(0)), (vec!["get", "create", "update"], 2000));
    let (sent, until) = run(&mut second, &mut row, clocks(0));
    assert_eq!(sent, ["get"]);
    assert!((2000..4400).contains(&until));
    assert!(first.is_leader(clocks(0)) && !second.is_leader(clocks(0)));
    (first, second, row)
}

#[test]
fn a_leader_renews_with_one_request() {
    let (mut first, mut second, mut row) = led();
    for ms in (2000..60_000).step_by(2000) {
        assert_eq!(run(&mut first, &mut row, clocks(ms)), (vec!["update"], ms + 2000));
        run(&mut second, &mut row, clocks(ms));
        assert!(first.is_leader(clocks(ms)) && !second.is_leader(clocks(ms)));
    }
}

#[test]
fn a_follower_takes_over_when_nothing_changed_for_the_lease_duration() {
    let (mut first, mut second, mut row) = led();
    run(&mut second, &mut row, clocks(14_999));
    assert!(!second.is_leader(clocks(14_999)));
    assert_eq!(run(&mut second, &mut row, clocks(20_000)), (vec!["get", "update", "update"], 22_000));
    assert!(second.is_leader(clocks(20_000)));
    // The former leader, which was paused, finds out by a conflict: it no longer trusts its lease, so it reads first.
    assert!(first.is_leader(clocks(20_000)));
    assert_eq!(run(&mut first, &mut row, clocks(20_000)), (vec!["get"], 22_000));
    assert!(!first.is_leader(clocks(20_000)));
}

#[test]
fn the_time_starts_again_with_every_change() {
    let (mut first, mut second, mut row) = led();
    run(&mut first, &mut row, clocks(10_000));
    run(&mut second, &mut row, clocks(12_000));
    run(&mut second, &mut row, clocks(26_999));
    assert!(!second.is_leader(clocks(26_999)));
    run(&mut second, &mut row, clocks(32_000));
    assert!(second.is_leader(clocks(32_000)));
}

#[test]
fn a_conflict_makes_a_leader_read() {
    let (mut first, mut second, mut row) = led();
    run(&mut second, &mut row, clocks(5000));
    // What is left of the first one's lease is not known to the second one, whose clock is far ahead.
    run(&mut second, &mut row, clocks(30_000));
    assert_eq!(run(&mut first, &mut row, clocks(6000)), (vec!["update", "get"], 8000));
    assert!(!first.is_leader(clocks(6000)) && second.is_leader(clocks(30_000)));
}

#[test]
fn gives_up_when_nothing_gets_through_for_the_renew_deadline() {
    let (mut first, _, mut row) = led();
    // An update and a read of 5 s each.
    assert_eq!(lose(&mut first, None, clocks(2000)), CALL_TIMEOUT);
    assert_eq!(lose(&mut first, None, clocks(7000)), CALL_TIMEOUT);
    assert!(first.is_leader(clocks(12_000)));
    let Todo::Call { request: Request::Get, .. } = first.next(clocks(12_000)) else { panic!("no new campaign") };
    assert!(!first.is_leader(clocks(12_000)));
    // Its own record is no obstacle.
    run(&mut first, &mut row, clocks(12_000));
    assert!(first.is_leader(clocks(12_000)));
}

#[test]
fn attempts_end_at_the_renew_deadline() {
    let (mut first, _, _) = led();
    for ms in [2000, 4000, 6000, 8000] {
        let Todo::Call { .. } = first.next(clocks(ms)) else { panic!("nothing sent") };
        first.answered(clocks(ms), Err(Failed));
        first.next(clocks(ms));
        first.answered(clocks(ms), Err(Failed));
        assert_eq!(first.next(clocks(ms)), Todo::Wait { until: Duration::from_millis(ms + 2000) });
    }
    let Todo::Call { timeout, .. } = first.next(clocks(10_500)) else { panic!("nothing sent") };
    assert_eq!(timeout, Duration::from_millis(1500));
    assert!(first.is_leader(clocks(11_999)));
}

#[test]
fn after_a_long_attempt_the_next_one_follows_at_once() {
    let (mut first, _, _) = led();
    lose(&mut first, None, clocks(2000));
    first.answered(clocks(7100), Err(Failed));
    let Todo::Call { .. } = first.next(clocks(7100)) else { panic!("no attempt") };
    first.answered(clocks(7100), Err(Failed));
    first.answered(clocks(7100), Err(Failed));
    assert_eq!(first.next(clocks(7100)), Todo::Wait { until: Duration::from_secs(8) });
}

#[test]
fn a_renewal_whose_answer_was_lost_is_found_by_reading() {
    let (mut first, _, mut row) = led();
    lose(&mut first, Some(&mut row), clocks(2000));
    assert_eq!(run(&mut first, &mut row, clocks(7000)), (vec!["get", "update"], 9000));
    assert!(first.is_leader(clocks(7000)));
}

/// As a renewal that was applied unknown to the leader, and its repetition within the same attempt, say the same.
#[test]
fn a_renewal_that_is_repeated_looks_like_no_change() {
    let (mut first, mut second, mut row) = led();
    lose(&mut first, Some(&mut row), clocks(6000));
    run(&mut second, &mut row, clocks(6500));
    run(&mut first, &mut row, clocks(11_000));
    for ms in [13_000, 18_000] {
        lose(&mut first, None, clocks(ms));
    }
    run(&mut second, &mut row, clocks(22_000));
    // 11 s after a renewal that the first one knows to have succeeded.
    assert!(first.is_leader(clocks(22_000)) && second.is_leader(clocks(22_000)));
}

#[test]
fn an_election_whose_answer_was_lost_is_found_by_reading() {
    let (mut elector, mut row) = (candidate(1), None);
    assert_eq!(elector.next(clocks(0)), Todo::Call { request: Request::Get, timeout: CALL_TIMEOUT });
    elector.answered(clocks(0), Ok(Answer::NotFound));
    lose(&mut elector, Some(&mut row), clocks(0));
    assert!(!elector.is_leader(clocks(5000)));
    assert_eq!(run(&mut elector, &mut row, clocks(10_000)).0, ["get", "update", "update"]);
    assert!(elector.is_leader(clocks(10_000)));
}

#[test]
fn one_who_woke_up_late_leads_on_if_nobody_came() {
    let (mut first, _, mut row) = led();
    assert_eq!(run(&mut first, &mut row, clocks(300_000)), (vec!["get", "update"], 302_000));
    assert!(first.is_leader(clocks(300_000)));
}
