//! The example of a nightly job: however often its schedule comes, each night is done once.

use std::thread;

use lessor_edge_tests::{NIGHTLY, Setting, Workerd};
use serde_json::Value;

fn nights(workerd: &Workerd) -> Vec<Value> {
    workerd.call("GET", "/", None, None).json().as_array().unwrap().clone()
}

fn cron(workerd: &Workerd, scheduled_ms: u64) {
    assert_eq!(workerd.call("POST", &format!("/cron/{scheduled_ms}"), None, Some("")).status, 200);
}

#[test]
fn each_night_once() {
    let mut workerd = Workerd::start(&Setting::of(NIGHTLY));
    let night = |number: u64| 1_800_000_000_000 + number * 86_400_000;
    assert!(nights(&workerd).is_empty());
    cron(&workerd, night(0));
    cron(&workerd, night(0));
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| cron(&workerd, night(1))))));
    let done = nights(&workerd);
    let times: Vec<_> = done.iter().map(|night| night["scheduled_ms"].as_u64().unwrap()).collect();
    assert_eq!(times, [night(0), night(1)], "twice and more: {done:?}");
    assert!(done.iter().all(|night| night["region"] == "weur" && night["term"] == 1), "{done:?}");

    // One night it never came; and the process is another one.
    workerd.kill_and_restart();
    cron(&workerd, night(3));
    cron(&workerd, night(1));
    let times: Vec<_> = nights(&workerd).iter().map(|night| night["scheduled_ms"].as_u64().unwrap()).collect();
    assert_eq!(times, [night(0), night(1), night(3)]);
}
