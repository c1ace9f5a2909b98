//! The examples, built and run as a user does it.
#![allow(clippy::unwrap_used, clippy::panic)]

use core::time::Duration;
use std::process::Output;

use example::example;
use smol::future::or;
use smol::process::{Command, Stdio};

mod example;

/// No example takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

fn run(name: &str, args: &[&str]) -> Output {
    let mut command = Command::new(example(name));
    let command = command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let late = async {
        smol::Timer::after(PATIENCE).await;
        panic!("{name} {args:?} has not ended after {PATIENCE:?}")
    };
    smol::block_on(or(async { command.output().await.unwrap() }, late))
}

fn stdout(output: &Output) -> &str {
    core::str::from_utf8(&output.stdout).unwrap()
}

/// Runs to its end, and says this.
#[track_caller]
fn says(name: &str, expected: &str) {
    let output = run(name, &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout(&output).contains(expected), "{output:?}");
}

/// R9: a hand-over ends with the next one in a later term.
#[test]
fn smol_hands_over() {
    says("smol", "second leads in term 2");
}

/// R3, R12: the old reign ends by itself, the follower takes over.
#[cfg(feature = "async-std")]
#[test]
fn async_std_survives_a_crash() {
    says("async_std", "second leads in term 2: the lease of first ran out");
}

/// R9: the work ends before the service does.
#[cfg(feature = "tokio")]
#[test]
fn tokio_ends_gracefully() {
    says("tokio", "the candidate has stopped, and the work was dropped where it waited\nthe lease is released");
}

/// R17: there need not be a runtime.
#[test]
fn a_custom_timer_is_enough() {
    says("custom_timer", "still in term 1 after 6 s");
}

/// R1, R5, R11: without a standard library. It is the same each time.
#[test]
fn embedded_boards_take_turns() {
    let output = run("embedded", &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout(&output), stdout(&run("embedded", &[])));
    let mut rest = stdout(&output);
    for expected in [
        "a leads in term 1",
        "a hangs, amidst an order",
        "a knows that term 1 is over",
        "b leads in term 2",
        "the valve refuses a: term 1 is outdated: term 2 has been seen",
        "the cable of b is cut",
        "b knows that term 2 is over",
        "a leads in term 3",
        "a resigns",
        "b leads in term 4",
        "ticks at which two boards led: 0",
    ] {
        let (_, after) = rest.split_once(expected).unwrap_or_else(|| panic!("no {expected:?} in {rest}"));
        rest = after;
    }
}

/// R2: the election needs no async.
#[test]
fn no_async_is_enough() {
    let output = run("no_async", &[]);
    let out = stdout(&output);
    assert!(output.status.success() && out.contains("leads in term 2"), "{output:?}");
    assert_eq!(out.matches("writes a report in term ").count(), 12, "{out}");
}

/// R22: two at once and no more, in terms of their own.
#[test]
fn slots_are_a_semaphore() {
    let output = run("slots", &[]);
    let out = stdout(&output);
    assert!(output.status.success() && out.lines().count() == 5, "{output:?}");
    assert!(out.lines().all(|line| line.ends_with(" 1 at once") || line.ends_with(" 2 at once")), "{out}");
    assert!(out.contains("slot 0, term 1,") && out.contains("slot 1, term 1,"), "{out}");
}

/// R11: what the lease cannot prevent the term does.
#[test]
fn fenced_write_refuses_the_paused_leader() {
    says("fenced_write", "first, who leads no more: its write in term 1 is refused");
    says("fenced_write", "\nthe database has: the report of second, in term 2\n");
}

/// The service that its tests are about.
#[test]
fn testing_failover_hands_out_numbers() {
    says("testing_failover", "invoice 1, in term 1\ninvoice 2, in term 1\ninvoice 3, in term 1\n");
}

#[cfg(all(unix, any(feature = "sidecar", feature = "web")))]
#[path = "examples/http.rs"]
mod http;

// The files beside it are read with what `sidecar` brings.
#[cfg(all(unix, feature = "prometheus", feature = "sidecar"))]
#[path = "examples/observed.rs"]
mod observed;

#[cfg(unix)]
#[path = "examples/program.rs"]
mod program;

#[cfg(unix)]
#[path = "examples/programs.rs"]
mod programs;

#[cfg(all(unix, feature = "scheduler"))]
#[path = "examples/scheduler.rs"]
mod scheduler;

#[cfg(all(unix, feature = "sidecar"))]
#[path = "examples/sidecar.rs"]
mod sidecar;

#[cfg(all(unix, feature = "web"))]
#[path = "examples/web_service.rs"]
mod web_service;

#[cfg(unix)]
#[path = "examples/failover.rs"]
mod failover;
