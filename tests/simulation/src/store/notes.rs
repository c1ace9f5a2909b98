//! What is noted of a request that was carried out: for the trace, and for the list of situations that were met.

use std::time::Duration;

use lessor::storage::{Acquired, Record, Renewed, Reply, Request};

use crate::reached::Situation;
use crate::reference::Reference;
use crate::sim::World;
use crate::trace::What;

impl World {
    pub(super) fn note_place(&mut self, row: usize, record: Option<&Record>, fingerprint: [u64; 3]) {
        let holder = record.and_then(|record| record.lease(0).id);
        let says = record.and_then(|record| record.value.clone());
        let place = row - self.plan.rows();
        let text = |text: Option<String>| text.unwrap_or_default();
        self.note(
            || What::Place {
                place,
                holder: text(holder.map(|id| id.to_string())),
                says: text(says.map(|value| value.as_str().to_owned())),
            },
            fingerprint,
        );
    }

    /// What the storage got into.
    pub(super) fn reach_by(&mut self, before: Option<&Record>, request: &Request, reply: &Reply, now_ms: u64) {
        let live = before.is_some_and(|record| record.lease(now_ms).is_live());
        let situation = match (request, reply, before) {
            (_, Reply::Acquired(Acquired::Refused { lease: None, .. }), _) => Situation::Frozen,
            (Request::Acquire(claim), Reply::Acquired(Acquired::Granted { term, .. }), Some(before)) => {
                let mine = before.session == Some(claim.session);
                match (live, before.session) {
                    (true, _) if !mine => Situation::TakeOverBehindTheClock,
                    (true, _) if *term == before.term => Situation::LostReplyHealed,
                    (true, _) => Situation::OwnLeaseNewTerm,
                    (false, None) if before.lease(now_ms).time_left > Duration::ZERO => Situation::ReservedTaken,
                    (false, None) if before.expires_ms > 0 => Situation::ReservationOver,
                    (false, None) if before.id != claim.id => Situation::HandOver,
                    (false, Some(_)) if !mine => Situation::TakeOver,
                    _ => return,
                }
            }
            (Request::Acquire(claim), Reply::Acquired(_), Some(before)) if !live => match before.session {
                _ if claim.after < Some(before.term) => Situation::OutdatedClaim,
                None => Situation::ReservedRefused,
                Some(_) => Situation::TakeOverPutOff,
            },
            (Request::Renew(_), Reply::Renewed(Renewed::Lost { .. }), _) => Situation::RenewalRefused,
            (Request::Renew(renewal), Reply::Renewed(_), Some(before)) if renewal.value != before.value => {
                Situation::ValuePublished
            }
            (Request::Revoke(revoke), Reply::Revoked(Some(_)), _) if live => {
                if revoke.now {
                    Situation::Revoked
                } else {
                    Situation::RevokedSoftly
                }
            }
            (Request::Release(release), _, Some(before)) if live && before.session != Some(release.session) => {
                Situation::ReleaseTooLate
            }
            _ => return,
        };
        self.reach(situation);
    }

    pub(super) fn note_applied<R: Reference>(
        &mut self,
        call: usize,
        answer: &R::Answer,
        before: Option<R::Row>,
        after: Option<R::Row>,
    ) {
        let word = R::outcome(answer);
        self.note(|| What::Applied { call: call as u64, answer: word }, [5, call as u64, word.len() as u64]);
        let Some(row) = after.filter(|row| before.as_ref() != Some(row)) else { return };
        let key = self.seats[self.calls[call].seats[0]].key;
        let (holder, lasts) = R::holder(&row);
        let candidate = holder.and_then(|id| self.seats.iter().position(|seat| seat.reference_id == id));
        if holder != before.and_then(|row| R::holder(&row).0) {
            let reign = self.checks.next_reign(key);
            if let Some(seat) = candidate {
                self.seats[seat].granted = reign;
            }
        }
        let until = Duration::from_nanos(self.now) + lasts;
        self.note(|| What::Holds { key, candidate, term: 0, until }, [6, key as u64, holder.unwrap_or(0)]);
    }
}
