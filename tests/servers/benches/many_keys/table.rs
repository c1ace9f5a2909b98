//! What is printed.

use std::fmt::Display;
use std::time::Duration;

/// A line without figures of its own.
pub(crate) fn note(text: &str) {
    println!("| {text} | | | |");
}

/// A figure that has nothing beside it.
pub(crate) fn figure(what: &str, ours: impl Display) {
    println!("| {what} | | {ours} | |");
}

/// Two times, and how many times the first the second is.
pub(crate) fn times(what: &str, bare: Duration, ours: Duration) {
    println!("| {what} | {bare:.2?} | {ours:.2?} | {:.2} |", ours.as_secs_f64() / bare.as_secs_f64());
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
