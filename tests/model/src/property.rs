//! What must always hold, and what has to be possible.
//!
//! Stateright replaces the discovery of a property by each later one. Here each property is discovered once, so that a
//! breadth-first search with one thread shows the shortest way there.

use std::sync::atomic::Ordering;

use lessor::storage::Session;
use stateright::{Expectation, Property};

use crate::model::ElectionModel;
use crate::news::News;
use crate::scope::Scope;
use crate::state::State;

/// All of them.
pub(crate) const COUNT: usize = 27;

/// Those of this scope.
pub(crate) fn all(scope: &Scope) -> Vec<Property<ElectionModel>> {
    let mut all = vec![
        always::<0>("one leader"),
        always::<1>("who holds a term holds the record"),
        always::<2>("granted terms grow"),
        always::<3>("each reign begins in a newer term"),
        always::<4>("no release while leading"),
        always::<5>("no claim after the release of its session"),
        always::<6>("no renewal revives"),
        always::<7>("no renewal of another session or term"),
        always::<8>("no live lease is cut short"),
        always::<9>("a late reply changes nothing"),
        sometimes::<10>("a hand-over by release"),
        sometimes::<11>("a take-over after expiry"),
        sometimes::<12>("a lost grant healed by repeating the claim"),
        sometimes::<13>("a late reply dropped"),
        sometimes::<14>("a late release while another leads"),
        sometimes::<15>("a reign with the session of a ticket"),
    ];
    if scope.has_transfers() {
        all.extend([
            always::<16>("what is reserved is granted to nobody else"),
            sometimes::<17>("a hand-over to the candidate that was named"),
            sometimes::<18>("a claim refused for a reservation"),
            sometimes::<19>("a reservation that nobody used"),
        ]);
    }
    if scope.registers {
        all.extend([
            always::<20>("who is told of a loss has lost"),
            sometimes::<21>("a swap that came after another's write"),
            sometimes::<22>("a swap that got through though nobody waited"),
            sometimes::<23>("a renewal after an end that nobody wrote"),
        ]);
        if scope.has(|budget| budget.duplicates > 0) {
            all.push(sometimes::<24>("a swap refused that arrived once more"));
        }
        if scope.has(|budget| budget.stale > 0) {
            all.push(sometimes::<25>("a read of what was"));
        }
        if scope.guard {
            all.push(sometimes::<26>("an end that is written"));
        }
    }
    all
}

/// Whether the state shows a violation, or an example, of the property with this number.
fn shows(number: usize, model: &ElectionModel, state: &State) -> bool {
    let news = |what| state.news.has(what);
    match number {
        0 => model.leaders(state).nth(1).is_some(),
        1 => !holds_the_record(model, state),
        2 => news(News::GRANT_NOT_NEWER),
        3 => news(News::REIGN_NOT_NEWER),
        4 => news(News::RELEASED_WHILE_LEADING),
        5 => news(News::CLAIMED_AFTER_RELEASE),
        6 => news(News::REVIVED),
        7 => news(News::RENEWED_ANOTHER),
        8 => news(News::SHORTENED),
        9 => news(News::LATE_REPLY_COUNTED),
        10 => news(News::HANDED_OVER),
        11 => news(News::TOOK_OVER),
        12 => news(News::HEALED),
        13 => news(News::LATE_REPLY_DROPPED),
        14 => news(News::LATE_RELEASE),
        15 => news(News::RESUMED),
        16 => news(News::RESERVED_FOR_ANOTHER),
        17 => news(News::TRANSFERRED),
        18 => news(News::KEPT_FOR_ANOTHER),
        19 => news(News::RESERVATION_OVER),
        20 => news(News::TOLD_LOST_IN_VAIN),
        21 => news(News::MOVED),
        22 => news(News::LATE_SWAP),
        23 => news(News::RENEWED_LATE),
        24 => news(News::COPY_REFUSED),
        25 => news(News::STALE),
        26 => news(News::MARKED),
        _ => false,
    }
}

/// Whoever holds a term by its own reckoning, an ending one included, is who the record was granted to, in that term.
fn holds_the_record(model: &ElectionModel, state: &State) -> bool {
    state.seats.iter().all(|seat| {
        let now = model.moment(state.tick, seat).now;
        let held = seat.awake().and_then(|awake| awake.term).filter(|(_, deadline)| now < *deadline);
        held.is_none_or(|(term, _)| {
            state.store.record.as_ref().is_some_and(|record| {
                let session = record.session.map(Session::to_bits);
                record.term == term && session == Some(seat.session.into())
            })
        })
    })
}

fn discovered<const NUMBER: usize>(model: &ElectionModel, state: &State) -> bool {
    let first = || model.discovered.get(NUMBER).is_none_or(|before| !before.swap(true, Ordering::Relaxed));
    shows(NUMBER, model, state) && first()
}

fn always<const NUMBER: usize>(name: &'static str) -> Property<ElectionModel> {
    let condition = |model: &ElectionModel, state: &State| !discovered::<NUMBER>(model, state);
    Property { expectation: Expectation::Always, name, condition }
}

fn sometimes<const NUMBER: usize>(name: &'static str) -> Property<ElectionModel> {
    Property { expectation: Expectation::Sometimes, name, condition: discovered::<NUMBER> }
}
