//! A path, for people.

use std::fmt::Write;

use lessor::Lease;
use lessor::storage::{Acquired, Claim, Record, Release, Renewal, Renewed, Reply, Request, Takeover};
use stateright::Path;

use crate::action::Action;
use crate::model::ElectionModel;
use crate::network::Message;
use crate::registers::{Answer, Ask};
use crate::seat::Seat;
use crate::state::State;

/// One line for each action: the tick, what happens, who leads after it, and the record.
pub(crate) fn path(model: &ElectionModel, path: Path<State, Action>) -> String {
    let steps = path.into_vec();
    let mut lines = String::new();
    for (index, (before, action)) in steps.iter().enumerate() {
        let (Some(action), Some((after, _))) = (action, steps.get(index + 1)) else { continue };
        let what = describe(model, before, *action);
        // Writing to a string never fails.
        let _ = writeln!(lines, "  {:2} t{} {what:<70} {}", index + 1, after.tick, standing(model, after));
    }
    lines
}

fn name(state: &State, index: u8) -> String {
    let Some(seat) = state.seats.get(usize::from(index)) else { return "nobody".into() };
    let place = if seat.place == 0 { 'a' } else { 'b' };
    if index < 2 { place.into() } else { format!("copy of {place}") }
}

fn describe(model: &ElectionModel, state: &State, action: Action) -> String {
    let name = |index| name(state, index);
    let message = |index| state.bag.get(index).map(|letter| &letter.message);
    let once_more = |keep| if keep { ", will arrive once more" } else { "" };
    match action {
        Action::Tick => "time goes on".into(),
        Action::StepClock => "the storage's clock steps".into(),
        Action::Send(index) => format!("{} sends what is due", name(index)),
        Action::Poll(index) => format!("{} sees that time has passed", name(index)),
        Action::Fail(index) => format!("{} hears that its request failed", name(index)),
        Action::Resign(index) => format!("{} resigns", name(index)),
        Action::Transfer(index) => format!("{} resigns in favour of the other", name(index)),
        Action::Stop(index) => format!("{} is stopped", name(index)),
        Action::Drained(index) => format!("{}'s work has ended", name(index)),
        Action::Crash(index) => format!("{} crashes and begins anew", name(index)),
        Action::Sleep(index) => format!("{} leaves a ticket", name(index)),
        Action::Resume(index) => format!("{} goes on with the ticket", name(index)),
        Action::Continue(index) => format!("{} goes on with the ticket in the same term", name(index)),
        Action::Apply { message: index, keep } => match message(index) {
            Some(Message::Request { from, id, request }) => {
                let from = from.map_or_else(|| "someone gone".into(), name);
                format!("storage applies {from}'s {id:?} {}{}", asked(request), once_more(keep))
            }
            Some(Message::Ask { from, id, request, ask, copy }) => {
                let from = from.map_or_else(|| "someone gone".into(), name);
                let again = if *copy { " once more" } else { "" };
                format!(
                    "the register gets {from}'s {id:?} {}: {}{}{again}",
                    asked(request),
                    wanted(ask),
                    once_more(keep)
                )
            }
            _ => "?".into(),
        },
        Action::Read { message: index, back } => match message(index) {
            Some(Message::Ask { from: Some(from), id, .. }) => {
                let shown = Answer::Read(state.store.register.read(back, model.fault).flatten());
                format!("{}'s handle reads for {id:?} {}", name(*from), told(&shown))
            }
            _ => "?".into(),
        },
        Action::Deliver { message: index } => match message(index) {
            Some(Message::Reply { to, id, reply, .. }) => {
                format!("{} hears {id:?} {}", name(*to), answered(reply))
            }
            Some(Message::Told { to, id, answer, .. }) => {
                format!("{}'s handle hears {id:?} {}", name(*to), told(answer))
            }
            _ => "?".into(),
        },
    }
}

fn asked(request: &Request) -> String {
    match request {
        Request::Acquire(Claim { session, after, takeover, .. }) => {
            let after = after.map_or(0, u64::from);
            let takeover = match takeover {
                Takeover::Expired => "",
                Takeover::Unchanged(_) => " if unchanged",
                Takeover::ReleasedOnly => " if released",
                _ => " on other terms",
            };
            format!("acquire by s{} after {after}{takeover}", session.to_bits())
        }
        Request::Renew(Renewal { session, term, .. }) => format!("renew by s{} of term {term}", session.to_bits()),
        Request::Release(Release { session, successor, .. }) => {
            let next = successor.as_ref().map_or_else(String::new, |next| format!(" for {}", next.id));
            format!("release by s{}{next}", session.to_bits())
        }
        other => format!("{other:?}"),
    }
}

fn answered(reply: &Reply) -> String {
    let shown = |lease: &Option<Lease>| lease.as_ref().map_or_else(|| "no lease".into(), Lease::to_string);
    match reply {
        Reply::Acquired(Acquired::Granted { term, .. }) => format!("granted term {term}"),
        Reply::Acquired(Acquired::Refused { lease, .. }) => format!("held: {}", shown(lease)),
        Reply::Renewed(Renewed::Extended { .. }) => "extended".into(),
        Reply::Renewed(Renewed::Lost { lease, .. }) => format!("lost: {}", shown(lease)),
        Reply::Released => "released".into(),
        other => format!("{other:?}"),
    }
}

fn wanted(ask: &Ask) -> String {
    match ask {
        Ask::Read(_) => "read".into(),
        Ask::Swap(swap) => {
            let expected = swap.expected.map_or_else(|| "nothing".into(), |revision| revision.to_string());
            format!("swap {expected} for {}", kept(&swap.bytes))
        }
    }
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Read(None) => "nothing was written".into(),
        Answer::Read(Some(stored)) => format!("{}: {}", stored.revision, kept(&stored.bytes)),
        Answer::Swapped(None) => "it has moved".into(),
        Answer::Swapped(Some(revision)) => format!("written as {revision}"),
        Answer::Failed => "an error".into(),
    }
}

fn kept(bytes: &[u8]) -> String {
    let Ok(record) = Record::from_bytes(bytes) else { return "?".into() };
    let session = record.session.map_or_else(|| "nobody".into(), |session| format!("s{}", session.to_bits()));
    format!("{session} term {} {} ms", record.term, record.expires_ms)
}

fn standing(model: &ElectionModel, state: &State) -> String {
    let held = |seat: &Seat| {
        let (term, _) = seat.awake()?.term?;
        Some(format!("s{} {}", seat.session, term))
    };
    let holders: Vec<_> = state.seats.iter().filter_map(held).collect();
    let leaders = model.leaders(state).count();
    let record = state.store.record.as_ref().map_or_else(
        || "none".into(),
        |record| {
            let free = || if record.expires_ms > 0 { format!("kept for {}", record.id) } else { "free".into() };
            let session = record.session.map_or_else(free, |session| format!("s{}", session.to_bits()));
            let now_ms = model.record_clock(state).now_ms;
            let left = record.lease(now_ms).time_left;
            format!("{session} term {} {left:?} left", record.term)
        },
    );
    format!("| held by [{}], {leaders} lead | record {record}", holders.join(", "))
}
