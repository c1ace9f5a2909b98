//! Who lets others go first claims a key, or a slot, only after it saw it free, and its claim delay after it saw it held, or
//! saw another lease there than before.

use lessor::Lease;

use crate::clock::Nanos;
use crate::plan::nanos;
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "others go first";

/// How a candidate saw a record last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// The term and the version; none where there was no record.
    lease: Option<(u64, u64)>,
    is_free: bool,
    /// Somebody handed over to whom it named: only a claim can tell who that is.
    is_reserved: bool,
    /// It was held, or something else, when this was asked, by its clock.
    since: Nanos,
    /// The lease that it saw last, if any: where that has not changed for its ttl by then it is over, whatever the storage says. A
    /// read that shows an older state, in which there was none, is no change.
    still: Option<((u64, u64), Nanos)>,
}

impl World {
    /// The answer to what a candidate asked shows this.
    pub(super) fn count_look(&mut self, seat: usize, lease: Option<&Lease>) {
        let round = &mut self.checks.rounds[seat];
        let Some((row, asked_at)) = round.asked else { return };
        let is_free = lease.is_none_or(|lease| !lease.is_live());
        let is_reserved = is_free && lease.is_some_and(|lease| !lease.time_left.is_zero());
        let shown = lease.map(|lease| (lease.term.get(), lease.version.get()));
        let before = round.seen.get(&row).filter(|before| before.lease == shown);
        let since = before.filter(|_| is_free).map_or(asked_at, |before| before.since);
        let ttl = lease.map_or(0, |lease| nanos(lease.ttl));
        let still = round.seen.get(&row).and_then(|before| before.still);
        let still = still.filter(|(lease, _)| shown.is_none_or(|shown| shown == *lease));
        let still = still.or_else(|| Some((shown?, asked_at + ttl)));
        round.seen.insert(row, Sight { lease: shown, is_free, is_reserved, since, still });
        if is_free && !self.seats[seat].participant.config.claim_delay.is_zero() {
            self.reach(Situation::OthersGoFirst);
        }
    }

    /// A candidate sends a claim for a record that it cannot hold.
    pub(super) fn check_turn(&mut self, seat: usize, row: usize, now: Nanos) {
        let (process, key) = (self.seats[seat].process, self.seats[seat].key);
        let config = &self.seats[seat].participant.config;
        let (own, ttl) = (nanos(config.claim_delay), nanos(config.ttl));
        let delay = own + if self.lets_others_go_first(process, key) { ttl } else { 0 };
        if delay == 0 {
            return;
        }
        let key = self.plan.name_of(row);
        let why = match self.checks.rounds[seat].seen.get(&row) {
            None => "and has not looked".to_owned(),
            Some(Sight { lease: Some(_), still: Some((_, from)), .. }) if now >= from + delay => return,
            Some(sight) if sight.is_reserved => return,
            Some(sight) if !sight.is_free => "and saw it held".to_owned(),
            Some(sight) if now < sight.since + delay => {
                format!("{} ns after it saw it held, {delay} are due", now - sight.since)
            }
            Some(_) => {
                if delay > own {
                    self.reach(Situation::OthersGoFirstInSpread);
                }
                return;
            }
        };
        let name = self.name(seat);
        let knows = self.plan.member(process).map(|_| format!(", and knows {:?}", self.views[process]));
        self.fail(RULE, format!("{name} claims {key} {why}{}", knows.unwrap_or_default()));
    }
}
