//! What must hold, one rule a file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lessor::Fence;
use lessor::storage::Version;

use crate::clock::Nanos;
use crate::outcome::Broken;
use crate::plan::{Plan, Protocol};
use crate::sim::World;
use crate::trace::What;

mod a_request_has_its_time;
mod a_reservation_is_kept;
mod a_transfer_reaches_its_successor;
mod an_end_is_final;
mod as_the_model_says;
mod each_for_itself;
mod ends_have_reasons;
mod ends_were_seen;
mod events_in_order;
mod given_up_is_handed_over;
mod group_tells_the_same;
mod hand_over_is_quick;
mod hand_overs_are_whole;
mod healed_is_led;
mod lists_are_whole;
mod moves_are_few;
mod no_stale_write;
mod no_work_at_release;
mod nothing_moves;
mod one_leader;
mod one_slot_each;
mod operations_bounded;
mod others_go_first;
mod places_are_near;
mod record_is_kept;
mod registers_cost_little;
mod registers_move_on;
mod renewals_share_their_time;
mod shares_are_led;
mod terms_grow;
mod the_preferred_lead_next;
mod what_is_told_was_there;
mod who_asks_is_given;
mod who_waits_is_answered;
mod work_keeps_its_key;

use a_request_has_its_time::Sent;
use a_reservation_is_kept::Reserved;
use as_the_model_says::History;
use events_in_order::Order;
use given_up_is_handed_over::Overload;
use group_tells_the_same::Pairing;
use hand_over_is_quick::Vacancy;
use hand_overs_are_whole::Owed;
use one_slot_each::Round;
use operations_bounded::Budget;
pub(crate) use record_is_kept::Step;
pub(crate) use registers_cost_little::Costs;
pub(crate) use who_waits_is_answered::Desk;

/// What the checks remember.
pub(crate) struct Checks {
    /// The first promise that was broken.
    pub(crate) broken: Option<Broken>,
    /// Where it first deviated from the model.
    pub(crate) deviation: Option<Broken>,
    /// Of each record.
    histories: Vec<History>,
    failed: bool,
    /// Of each record, the terms granted, and those of revokes, in order of true time.
    grants: Vec<Vec<u64>>,
    /// Of each register, the terms in which somebody was granted it.
    register_terms: Vec<BTreeSet<u64>>,
    /// Of each record, the terms that were revoked, each with when its lease would have ended.
    revoked: Vec<BTreeMap<u64, Nanos>>,
    /// Of each record, the terms that were revoked, and whose end the key waits for.
    waited_for: Vec<Vec<u64>>,
    /// Of each record, the newest term in which somebody led.
    reigns: Vec<u64>,
    orders: Vec<Order>,
    budgets: Vec<Budget>,
    owed: Vec<Owed>,
    pairings: Vec<Pairing>,
    rounds: Vec<Round>,
    /// Of each process.
    overloads: Vec<Overload>,
    /// Of each candidate, when it sent renewals since all has been well.
    renewals: Vec<Vec<Nanos>>,
    /// Of each candidate, its last renewal.
    sent: Vec<Option<Sent>>,
    /// Calls to which an answer has come just now.
    come: Vec<usize>,
    fences: Vec<Fence>,
    /// Of each record, the newest reign of which a write was accepted.
    written: Vec<u64>,
    /// Of each candidate, the version of the last reservation that it was told of, and how often.
    excused: Vec<(Version, u32)>,
    /// Of each key, for whom it is reserved.
    reserved: Vec<Option<Reserved>>,
    /// Of each key, to which process it was moved that has not got it yet.
    handed: Vec<Option<usize>>,
    /// How many keys came by a move.
    moved_in: u64,
    /// Of each key, how far the hand-over is, while that is watched.
    vacant: Option<Vec<Vacancy>>,
}

impl Checks {
    pub(crate) fn new(plan: &Plan) -> Self {
        let seats = plan.participants.len() * plan.keys;
        Self {
            broken: None,
            deviation: None,
            histories: (0..plan.all_rows()).map(|_| History::default()).collect(),
            failed: false,
            grants: vec![Vec::new(); plan.all_rows()],
            register_terms: vec![BTreeSet::new(); plan.all_rows()],
            revoked: vec![BTreeMap::new(); plan.all_rows()],
            waited_for: vec![Vec::new(); plan.all_rows()],
            reigns: vec![0; plan.rows()],
            orders: (0..seats).map(|_| Order::default()).collect(),
            budgets: (0..seats).map(|_| Budget::default()).collect(),
            owed: (0..seats).map(|_| Owed::default()).collect(),
            rounds: (0..seats).map(|_| Round::default()).collect(),
            pairings: (0..seats).map(|_| Pairing::default()).collect(),
            overloads: plan.participants.iter().map(|_| Overload::default()).collect(),
            renewals: vec![Vec::new(); seats],
            sent: vec![None; seats],
            come: Vec::new(),
            fences: (0..plan.rows()).map(|_| Fence::new()).collect(),
            written: vec![0; plan.rows()],
            excused: vec![(Version::new(0), 0); seats],
            reserved: vec![None; plan.all_rows()],
            handed: vec![None; plan.keys],
            moved_in: 0,
            vacant: None,
        }
    }
}

impl World {
    /// A promise was broken: the run ends here. What a reference protocol never promised is noted once, and it goes on.
    fn fail(&mut self, rule: &'static str, text: String) {
        if std::mem::replace(&mut self.checks.failed, true) {
            return;
        }
        self.note(|| What::Broken { rule, text: text.clone() }, [10, rule.len() as u64, 0]);
        if self.plan.protocol == Protocol::Lessor {
            self.checks.broken = Some(Broken { rule, text, at: Duration::from_nanos(self.now) });
        }
    }

    /// A new instance takes a seat.
    pub(crate) fn begin_instance(&mut self, seat: usize) {
        self.checks.orders[seat] = Order::default();
        self.checks.budgets[seat] = Budget::default();
        self.checks.owed[seat] = Owed::default();
        self.checks.pairings[seat] = Pairing::default();
        self.checks.rounds[seat] = Round::resumed(self.seats[seat].resumed.take());
        let state = &mut self.seats[seat];
        (state.ending_since, state.lost, state.given_up, state.gave_up) = (None, None, None, None);
        (state.told_lost, state.lost_term) = (false, None);
        state.moving = None;
        state.instance += 1;
        // What was asked of its group is asked of it.
        state.asked = self.teams[state.process].asked;
        state.desk = Desk::default();
        state.busy.clear();
    }

    fn name(&self, seat: usize) -> String {
        format!("p{}", self.seats[seat].process)
    }

    /// Who sent a request.
    fn sender(&self, seat: Option<usize>) -> String {
        seat.map_or_else(|| "an operator".into(), |seat| self.name(seat))
    }
}
