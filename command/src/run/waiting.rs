//! What is heard while another leads, and when it is given up to wait.

use std::time::Duration;

use lessor::{Candidate, Event, Events, Instant, Lease, SystemTimer, Timer};

use super::arguments::Arguments;
use super::log::{Level, Log};
use super::opening::passed;
use super::outcome::{NOT_ELECTED, Outcome};
use super::sights::Sights;
use crate::exit::Exit;

/// Where it is waited for less than so many ttls, the key is looked at [often](look_interval).
const BRIEF: u32 = 2;

/// Of more slots each look takes longer.
const FEW_SLOTS: u16 = 10;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// Another leads: this one waits.
    Wait,
    /// For who tries once, or has waited for as long as it was to.
    Enough,
}

pub(super) async fn answered(
    arguments: &Arguments,
    until: Option<Instant>,
    candidate: &Candidate,
    events: &mut Events,
    sights: &Sights,
    log: &Log,
) -> Answer {
    // Of several slots each has to be asked for.
    let one_will_do = arguments.tries_once() && arguments.slots.is_none();
    let is_over = || until.is_some_and(|until| SystemTimer::new().now() >= until);
    loop {
        let is_in_doubt = one_will_do && sights.are_in_doubt();
        let event = tokio::select! {
            event = events.next() => event,
            () = sights.are_sure(), if is_in_doubt => return Answer::Enough,
        };
        match event {
            // Unless it is this one.
            Some(Event::LeaderChanged(Some(lease))) if lease.is_live() && candidate.leadership().is_none() => {
                if one_will_do && !sights.are_in_doubt() {
                    return Answer::Enough;
                }
                tell(log, &lease, one_will_do);
                return Answer::Wait;
            }
            Some(Event::StorageFailed { .. }) if one_will_do || is_over() => return Answer::Enough,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

fn tell(log: &Log, lease: &Lease, tries_once: bool) {
    if tries_once {
        let shows = format_args!(
            "the leader is {lease}; it may be gone, which shows when it has not renewed for {:?}",
            lease.ttl
        );
        log.state(Level::Info, "waits", None, format_args!("waits: {shows}"));
    } else {
        log.state(Level::Info, "waits", None, format_args!("waits: the leader is {lease}"));
    }
}

/// When it is given up: not before it is known whether who leads lives. Else one that is gone would be waited for in vain by each that
/// comes for less than a ttl.
pub(super) async fn patience_ends(until: Option<Instant>, candidate: &Candidate, sights: &Sights) {
    passed(until).await;
    if candidate.status().failures == 0 {
        sights.are_sure().await;
    }
}

/// How often to look, where that is not left to the storage: who waits briefly is to see in time that the leader has renewed, which nobody tells.
pub(super) fn look_interval(arguments: &Arguments) -> Option<Duration> {
    let is_brief = arguments.wait.is_some_and(|wait| wait < arguments.ttl * BRIEF);
    (is_brief && arguments.slots.is_none_or(|slots| slots <= FEW_SLOTS)).then(|| arguments.ttl / 10)
}

/// Nobody was elected here.
pub(super) fn why_not(arguments: &Arguments, candidate: &Candidate) -> Outcome {
    let status = candidate.status();
    match (status.last_error, status.leader) {
        (Some(error), _) if status.failures > 0 => Outcome::Failed(Exit::Storage(error.to_string())),
        (_, Some(lease)) => Outcome::NotElected(format!("the leader is {lease}"), arguments.conflict_exit_code),
        _ => Outcome::NotElected("the storage granted nothing in time".to_owned(), NOT_ELECTED),
    }
}
