//! The example of a nightly job, with nights that are a second long: each is done once.

use std::thread;

use lessor_edge_tests::{NIGHTLY, Setting, Workerd, until};
use serde_json::Value;

const NIGHT_MS: u64 = 1000;

fn setting(regions: &str, retired: &str) -> Setting {
    let mut setting = Setting::of(NIGHTLY);
    let vars = [("SCHEDULE", "* * * * * *"), ("CAMPAIGNING", regions), ("RETIRED", retired)];
    setting.vars.extend(vars.map(|(name, value)| (name, value.to_owned())));
    setting
}

fn nights(workerd: &Workerd) -> Vec<Value> {
    workerd.call("GET", "/", None, None).json().as_array().unwrap().clone()
}

/// The cron trigger.
fn watch_over(workerd: &Workerd) {
    assert_eq!(workerd.call("POST", "/cron/0", None, Some("")).status, 200);
}

fn until_there_are(workerd: &Workerd, count: usize) -> Vec<Value> {
    until("nights", || Some(nights(workerd)).filter(|nights| nights.len() >= count))
}

/// None twice, none missing: who wrote them, in which terms.
fn by(nights: &[Value]) -> Vec<(&str, u64)> {
    let times: Vec<_> = nights.iter().map(|night| night["scheduled_ms"].as_u64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + NIGHT_MS), "{times:?}");
    let mut by: Vec<_> =
        nights.iter().map(|night| (night["region"].as_str().unwrap(), night["term"].as_u64().unwrap())).collect();
    by.dedup();
    by
}

#[test]
fn each_night_once() {
    let mut workerd = Workerd::start(&setting("weur enam apac", ""));
    assert!(nights(&workerd).is_empty());
    // Triggered more than once, and then never again: the leader's alarm does it.
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| watch_over(&workerd)))));
    let done = until_there_are(&workerd, 4).len();
    // The process is another one, and nobody calls it.
    workerd.kill_and_restart();
    assert_eq!(by(&until_there_are(&workerd, done + 4)).len(), 1, "the same region, in the same term");

    // The leader is let go: another region has been standing by, and makes up for what was missed.
    let nights = nights(&workerd);
    let (first, term) = by(&nights)[0];
    let others: Vec<_> = ["weur", "enam", "apac"].into_iter().filter(|name| *name != first).collect();
    workerd.restart_with(&setting(&others.join(" "), first));
    watch_over(&workerd);
    let done = nights.len();
    let nights = until("another region's nights", || {
        Some(until_there_are(&workerd, done + 4)).filter(|nights| nights[nights.len() - 1]["region"] != first)
    });
    let by = by(&nights);
    assert_eq!(by.len(), 2, "{by:?}");
    assert!(others.contains(&by[1].0) && by[1].1 == term + 1, "{by:?}");
}
