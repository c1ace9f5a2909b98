//! What is heard while another leads.

use lessor::{Candidate, Event, Events};

use super::arguments::Arguments;
use super::log::{Level, Log};
use super::outcome::Outcome;
use crate::exit::Exit;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// Another leads: this one waits.
    Wait,
    /// For who tries once.
    Enough,
}

pub(super) async fn answered(arguments: &Arguments, candidate: &Candidate, events: &mut Events, log: &Log) -> Answer {
    // Of several slots each has to be asked for.
    let one_will_do = arguments.tries_once() && arguments.slots.is_none();
    loop {
        match events.next().await {
            // Unless it is this one.
            Some(Event::LeaderChanged(Some(lease))) if lease.is_live() && candidate.leadership().is_none() => {
                if one_will_do {
                    return Answer::Enough;
                }
                log.state(Level::Info, "waits", None, format_args!("waits: the leader is {lease}"));
                return Answer::Wait;
            }
            Some(Event::StorageFailed { .. }) if one_will_do => return Answer::Enough,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Nobody was elected here.
pub(super) fn why_not(candidate: &Candidate) -> Outcome {
    let status = candidate.status();
    match (status.last_error, status.leader) {
        (Some(error), _) if status.failures > 0 => Outcome::Failed(Exit::Storage(error.to_string())),
        (_, Some(lease)) => Outcome::NotElected(format!("the leader is {lease}")),
        _ => Outcome::NotElected("the storage granted nothing in time".to_owned()),
    }
}
