//! Many keys, long ways, and connections that fail: what a storage's connections have to bear.
//!
//! What holds all the time (one leader, terms that grow) is checked by
//! [`Elections`](lessor_servers::elections::Elections) beside what a test asks for.

mod causes;
mod engine;
mod far;
mod idle_closing;
mod many_keys;
mod own_work;
mod pooler;
mod read_only;
mod reset;
mod round_trips;
mod silence;
mod stall;
mod table_lock;

use std::time::Duration;

use lessor::Event;
use lessor_servers::elections::{Elections, Entry, now};

/// So many keys.
fn keys(count: usize) -> Vec<&'static str> {
    (0..count).map(|number| &*Box::leak(format!("key-{number}").into_boxed_str())).collect()
}

/// What is found within this time, if anything is.
fn within<T>(elections: &Elections, limit: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let until = now().saturating_add(limit);
    elections.wait("the time is over", || match found() {
        Some(found) => Some(Some(found)),
        None => (now() >= until).then_some(None),
    })
}

/// All of these are led within this time.
#[track_caller]
fn are_led(elections: &Elections, keys: &[&str], limit: Duration) {
    let began = now();
    let mut most = 0;
    let all = within(elections, limit, || {
        most = most.max(elections.led());
        (most == keys.len()).then_some(())
    });
    let count = keys.len();
    assert!(all.is_some(), "of {count} keys {most} were led at most, within {limit:?}\n{}", elections.log());
    println!("{count} keys are led after {:?}", now().saturating_duration_since(began));
}

/// All of these are led for as long.
#[track_caller]
fn stay_led(elections: &Elections, keys: &[&str], during: Duration) {
    let mark = elections.log().mark();
    let mut least = keys.len();
    let _ = within(elections, during, || {
        least = least.min(elections.led());
        None::<()>
    });
    let lost = lost_since(elections, mark);
    let what = format!("of {} keys {least} were led at least, and {lost} terms were lost", keys.len());
    assert!(least == keys.len() && lost == 0, "{what} within {during:?}\n{}", elections.log());
}

/// How many terms were lost.
fn lost_since(elections: &Elections, mark: usize) -> usize {
    since(elections, mark, |entry| matches!(entry.event, Event::Lost { .. }).then_some(())).len()
}

/// What events say, from a place in the log on.
fn since<T>(elections: &Elections, mark: usize, say: impl FnMut(&Entry) -> Option<T>) -> Vec<T> {
    elections.log().since(mark).iter().filter_map(say).collect()
}

/// How the storage failed, in words.
fn failures_since(elections: &Elections, mark: usize) -> Vec<String> {
    since(elections, mark, |entry| match &entry.event {
        Event::StorageFailed { error, .. } => Some(error.to_string()),
        _ => None,
    })
}

/// As many more renewals of the first key come, and its term goes on meanwhile.
#[track_caller]
fn renews(elections: &Elections, count: usize) {
    let mark = elections.log().mark();
    let of_first = |event: fn(&Event) -> bool| {
        since(elections, mark, |entry| (entry.key == 0 && event(&entry.event)).then_some(())).len()
    };
    let lost = || of_first(|event| matches!(event, Event::Lost { .. }));
    let renewed = || of_first(|event| matches!(event, Event::Renewed { .. }));
    let limit = elections.config().renew_interval * u32::try_from(count).expect("few") * 3 / 2 + elections.config().ttl;
    let _ = within(elections, limit, || (lost() > 0 || renewed() >= count).then_some(()));
    let (lost, renewed) = (lost(), renewed());
    assert!(lost == 0 && renewed >= count, "lost: {lost}, renewed: {renewed} of {count}\n{}", elections.log());
}
