//! R10, R12: a key that was released in favour of somebody is granted to nobody else while the time of that lasts, by the
//! storage's clock; whoever asks is told for how long. After it, after a plain release and after a revoke it is free for all.

use lessor::storage::{Acquired, Reply, Request, Version};
use lessor::{Id, Term};

use super::Step;
use crate::message::Told;
use crate::sim::World;

const RULE: &str = "a reservation is kept";

/// A key is reserved, as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Reserved {
    id: Id,
    since_ms: u64,
    until_ms: u64,
}

impl Step<'_> {
    /// What is wrong with the answer to a claim for a released key.
    fn against(&self, reserved: Option<&Reserved>) -> Option<&'static str> {
        let (Request::Acquire(claim), Reply::Acquired(acquired), Some(before)) =
            (self.request, self.reply, self.before)
        else {
            return None;
        };
        // Who knows less than there is looks first, and after the last term there is none.
        let asks = before.session.is_none() && claim.after >= Some(before.term) && claim.after < Some(Term::LAST);
        let left_ms = reserved.filter(|reserved| reserved.id != claim.id).map_or(0, |reserved| {
            let lasts = (reserved.since_ms..reserved.until_ms).contains(&self.now_ms);
            if lasts { reserved.until_ms - self.now_ms } else { 0 }
        });
        match acquired {
            Acquired::Granted { .. } if before.session.is_none() && left_ms > 0 => {
                Some("it granted what is reserved for another")
            }
            Acquired::Refused { lease: Some(_), .. } if asks && left_ms == 0 => Some("it refused what is free"),
            Acquired::Refused { lease: Some(_), retry_after, .. }
                if asks && u128::from(left_ms) != retry_after.as_millis() =>
            {
                Some("it told of another time than is left")
            }
            _ => None,
        }
    }
}

impl World {
    /// The storage did this with a key.
    pub(super) fn check_reservation(&mut self, seat: Option<usize>, key: usize, step: &Step<'_>) {
        if let Some(why) = step.against(self.checks.reserved[key].as_ref()) {
            let (name, reserved) = (self.sender(seat), self.checks.reserved[key].clone());
            let Step { before, request, reply, now_ms, .. } = step;
            let text = format!("{why}: {name} asked {request:?} at {now_ms}, {reserved:?}, {before:?}: {reply:?}");
            self.fail(RULE, text);
        }
        if let Reply::Acquired(Acquired::Refused { retry_after, .. }) = step.reply
            && let (Some(seat), Some(before)) = (seat, step.before)
            && before.session.is_none()
            && !retry_after.is_zero()
        {
            self.excuse(seat, before.version);
        }
        if step.before == step.after {
            return;
        }
        let successor = match step.request {
            Request::Release(release) => release.successor.as_ref(),
            _ => None,
        };
        self.checks.reserved[key] = successor.map(|successor| Reserved {
            id: successor.id.clone(),
            since_ms: step.now_ms,
            until_ms: step.now_ms + successor.within.as_nanos().div_ceil(1_000_000) as u64,
        });
    }

    /// A candidate was told that a key is reserved: it comes back when that is over, however soon; the ms of the storage's clock
    /// may bring it too early.
    fn excuse(&mut self, seat: usize, reserved: Version) {
        let (version, times) = &mut self.checks.excused[seat];
        *times = if *version == reserved { *times + 1 } else { 1 };
        *version = reserved;
        if *times <= 2 {
            self.allow(seat, 1);
        }
    }

    /// Over registers it is the handle that says so.
    pub(crate) fn excuse_refused(&mut self, call: usize, told: &Told) {
        let (Told::Lessor(replies), seats) = (told, self.calls[call].seats.clone()) else { return };
        for (seat, reply) in seats.into_iter().zip(replies) {
            if let Ok(Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after, .. })) = reply
                && lease.id.is_none()
                && !retry_after.is_zero()
            {
                self.excuse(seat, lease.version);
            }
        }
    }

    /// It is written that what was reserved is so no more.
    pub(crate) fn forget_reservation(&mut self, key: usize) {
        self.checks.reserved[key] = None;
    }

    /// The storage has lost data: it reserves nothing any more.
    pub(crate) fn forget_reservations(&mut self) {
        self.checks.reserved.iter_mut().for_each(|reserved| *reserved = None);
    }
}
