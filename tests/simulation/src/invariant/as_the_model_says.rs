//! R1, R4, R5: what becomes of a record is what the proof's model says: each request is judged so, on the record that the last write
//! left, over registers by what its handle has watched; nobody is granted anything while a storage that has lost data waits for
//! what may be left; each grant's term is newer than all before it, or the record's own once more; and nobody begins to lead in a
//! term that was not granted to it.
//!
//! A promise that breaks says more than that its reason was left: a run goes on, and this is what is wrong with it only if nothing
//! else is.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use lessor::Term;
use lessor::storage::{Record, Request};

use super::Step;
use crate::cells::{CellAsk, Revision, is_mark, may_mark};
use crate::clock::MILLISECOND;
use crate::model::{Answer, Kept, Number, judge, mark, while_frozen};
use crate::outcome::Broken;
use crate::sim::World;
use crate::trace::What;

const RULE: &str = "as the model says";

/// Of one record.
#[derive(Default)]
pub(super) struct History {
    /// What the last write left.
    last: Option<Record>,
    /// How often the storage had lost data by then.
    losses: u32,
    /// The newest term that was written.
    newest: Number,
    /// Which candidates were granted which terms.
    granted: BTreeSet<(usize, Number)>,
}

impl History {
    /// What was there is what the last write left, unless data was lost.
    fn goes_on(&mut self, before: Option<&Record>, after: Option<&Record>, losses: u32) -> Result<(), String> {
        let has_lost = std::mem::replace(&mut self.losses, losses) != losses;
        let last = self.last.as_ref();
        let goes_on =
            if has_lost || last == before { Ok(()) } else { Err(format!("the last write had left {last:?}")) };
        if last != after {
            self.last = after.cloned();
        }
        goes_on
    }

    /// This was answered, and a record has this term since. `own`: the term that was held before.
    fn grants(
        &mut self,
        seat: Option<usize>,
        answer: Answer,
        own: Option<Number>,
        after: Number,
    ) -> Result<(), String> {
        let newest = self.newest;
        self.newest = newest.max(after);
        let Answer::Granted(term) = answer else { return Ok(()) };
        self.granted.extend(seat.map(|seat| (seat, term)));
        if term > newest || own == Some(term) { Ok(()) } else { Err(format!("its terms had come to {newest}")) }
    }

    fn has_granted(&self, seat: usize, term: Number) -> bool {
        self.granted.contains(&(seat, term))
    }
}

fn held_term(record: Option<&Kept<'_>>) -> Option<Number> {
    record.filter(|record| record.owner.is_some()).map(|record| record.term)
}

impl World {
    fn deviates(&mut self, text: String) {
        if self.checks.deviation.is_none() {
            self.note(|| What::Broken { rule: RULE, text: text.clone() }, [10, RULE.len() as u64, 0]);
            self.checks.deviation = Some(Broken { rule: RULE, text, at: Duration::from_nanos(self.now) });
        }
    }

    fn deviates_at(&mut self, seat: Option<usize>, request: &Request, at: u64, wrote: &dyn Debug, why: &str) {
        let name = self.sender(seat);
        self.deviates(format!("{name} asked {request:?} at {at}: {wrote:?}, but {why}"));
    }

    /// The storage judged this.
    pub(crate) fn check_by_model(&mut self, seat: Option<usize>, row: usize, step: &Step<'_>) {
        let Step { before, request, reply, after, now_ms } = *step;
        let (losses, seed) = (self.store.losses, self.store.seed(now_ms).get().into());
        let is_frozen = self.store.is_frozen(now_ms);
        let history = &mut self.checks.histories[row];
        let (was, answered, is) = (before.map(Kept::from), Answer::from(reply), after.map(Kept::from));
        let frozen = while_frozen(request).filter(|_| is_frozen).map(|answer| (answer, was));
        let said = frozen.unwrap_or_else(|| judge(was, request, now_ms.into(), seed, None));
        let judged = if said == (answered, is) { Ok(()) } else { Err(format!("the model says {said:?}")) };
        let goes_on = history.goes_on(before, after, losses);
        let term = is.map_or(0, |is| is.term);
        let grants = history.grants(seat, answered, held_term(was.as_ref()), term);
        if let Err(why) = judged.and(goes_on).and(grants) {
            self.deviates_at(seat, request, now_ms, &(reply, before, after), &why);
        }
    }

    /// A swap has got through.
    pub(crate) fn check_swap_by_model(
        &mut self,
        ask: &CellAsk,
        row: usize,
        expected: Option<&Revision>,
        before: Option<&Record>,
        after: &Record,
    ) {
        let watched_ms = self.stood_still(ask, row, expected) / MILLISECOND;
        let (request, losses) = (&ask.request, self.store.losses);
        let history = &mut self.checks.histories[row];
        let (was, is) = (before.map(Kept::from), Kept::from(after));
        let answered = if is_mark(before, after) {
            let marked = was.filter(|_| may_mark(request.operation())).and_then(|was| mark(was, watched_ms.into()));
            (marked == Some(is)).then_some(Answer::Shown)
        } else {
            moments(was.as_ref(), &is, watched_ms.into()).into_iter().find_map(|moment| {
                let (answer, written) = judge(was, request, moment, Term::FIRST.get().into(), None);
                let wrote = written.filter(|_| written != was).map(|written| written.undated(moment));
                (wrote == Some(is)).then_some(answer)
            })
        };
        let judged = answered.ok_or_else(|| "by the model it may not".to_owned());
        let goes_on = history.goes_on(before, Some(after), losses);
        let grants = history.grants(ask.seat, answered.unwrap_or(Answer::Shown), held_term(was.as_ref()), is.term);
        if let Err(why) = judged.and(goes_on).and(grants) {
            self.deviates_at(ask.seat, request, watched_ms, &(before, after), &why);
        }
    }

    /// A candidate begins to lead.
    pub(crate) fn check_begun_by_model(&mut self, seat: usize, term: Term) {
        let history = &self.checks.histories[self.seats[seat].row];
        if !history.has_granted(seat, term.get().into()) {
            let name = self.name(seat);
            self.deviates(format!("{name} begins to lead in term {term}, which nobody granted it"));
        }
    }
}

/// For how long a handle may have watched a register: no longer than it was there to be seen, and less where it forgot what it saw.
/// What was written says which time it went by, where that is written.
fn moments(was: Option<&Kept<'_>>, is: &Kept<'_>, watched: Number) -> [Number; 3] {
    let written = was.map_or(0, |was| was.expires - is.expires);
    [watched, 0, written.clamp(0, watched)]
}

#[cfg(test)]
mod tests {
    use lessor::Id;
    use lessor::storage::Version;

    use super::*;

    #[test]
    fn what_was_there_is_what_the_last_write_left() {
        let record = |version| {
            let id = Id::new("a").expect("an id");
            Record::restore(None, id, Term::FIRST, Version::new(version), 1, 0)
        };
        let (one, two) = (record(1), record(2));
        let mut history = History::default();
        assert_eq!(history.goes_on(None, Some(&one), 0), Ok(()));
        assert_eq!(history.goes_on(Some(&one), Some(&one), 0), Ok(()));
        assert_eq!(history.goes_on(Some(&one), Some(&two), 0), Ok(()));
        assert!(history.goes_on(Some(&one), Some(&two), 0).is_err(), "a write came to nothing");
        assert!(history.goes_on(None, Some(&one), 0).is_err(), "it was deleted");
        assert_eq!(history.goes_on(None, Some(&one), 1), Ok(()), "that was lost");
        assert!(history.goes_on(None, Some(&one), 1).is_err(), "once");
    }

    #[test]
    fn a_granted_term_is_new_or_the_own_one_and_its_reign_is_of_who_was_granted_it() {
        let mut history = History::default();
        assert_eq!(history.grants(Some(0), Answer::Granted(2), None, 2), Ok(()));
        assert_eq!(history.grants(Some(0), Answer::Granted(2), Some(2), 2), Ok(()), "a lost reply");
        assert!(history.grants(Some(1), Answer::Granted(2), None, 2).is_err());
        assert_eq!(history.grants(None, Answer::Revoked, Some(2), 3), Ok(()));
        assert!(history.grants(Some(1), Answer::Granted(3), None, 3).is_err(), "it is that of the revoke");
        assert_eq!(history.grants(Some(2), Answer::Granted(4), None, 4), Ok(()));
        let begins = |seat, term| history.has_granted(seat, term);
        assert_eq!([begins(0, 2), begins(2, 4)], [true, true]);
        assert_eq!([begins(0, 3), begins(0, 4), begins(2, 2)], [false; 3]);
    }
}
