//! The renewals of a group, which share their time; and what it does where they do not get through.

use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::GroupEvent;
use super::driver::GroupDriver;
use super::overload::{Held, to_give_up};
use crate::config::Config;
use crate::storage::Storage;
use crate::time::{Instant, Timer};

/// How far the renewal of the leases is.
pub(super) struct Sweep {
    began: Instant,
    /// Whoever is due only after that comes in line at the next one.
    next_by: Instant,
    /// The next place to look at.
    next: usize,
    /// The shortest renew interval of those that hold a lease.
    interval: Option<Duration>,
}

impl<S: Storage + 'static, T: Timer> GroupDriver<S, T> {
    /// A renew interval from then, a tenth less or more.
    pub(super) fn plan_tick(&mut self, from: Instant, interval: Duration) {
        let fraction = (self.entropy)() as f64 / u64::MAX as f64;
        let jittered = interval.mul_f64(1.0 - Config::JITTER + 2.0 * Config::JITTER * fraction);
        self.tick = Some(from.saturating_add(jittered));
        self.interval = interval;
    }

    /// Leases are renewed at the same moments, so that they travel together: all of them, or where intervals differ those that
    /// will be due before the next one.
    pub(super) fn begin_renewals(&mut self) {
        let now = self.hub.timer.now();
        self.tick = None;
        self.give_up_if_overloaded(now);
        let next_by = now.saturating_add(self.interval.mul_f64(1.0 + Config::JITTER));
        self.renewing = Some(Sweep { began: now, next_by, next: 0, interval: None });
    }

    /// Goes on with the renewal of the leases: for so many members. Answers how many were settled.
    pub(super) fn renew_some(&mut self, most: usize, mut now: Option<Instant>) -> usize {
        let Some(mut sweep) = self.renewing.take() else { return 0 };
        let mut settled = 0;
        while settled < most {
            let Some(place) = self.members.get_mut(sweep.next) else {
                if let Some(interval) = sweep.interval {
                    self.plan_tick(sweep.began, interval);
                }
                return settled;
            };
            if let Some(member) = place.as_mut().filter(|member| member.standing.holds) {
                let interval = member.candidacy.shared.profile.config.renew_interval;
                sweep.interval = Some(sweep.interval.map_or(interval, |shortest| shortest.min(interval)));
                if member.due <= sweep.next_by {
                    member.renew = true;
                    now = self.settle(sweep.next as u32, now);
                    settled += 1;
                }
            }
            sweep.next += 1;
        }
        self.renewing = Some(sweep);
        settled
    }

    fn give_up_if_overloaded(&mut self, now: Instant) {
        let renewed = mem::take(&mut self.renewed);
        // Mostly all goes well, and nobody has to be looked at.
        if self.counts.in_jeopardy == 0 {
            return;
        }
        let seat = self.seat();
        let places = self.members.iter().enumerate().filter(|(place, _)| seat != Some(*place as u32));
        let held = places.filter_map(|(place, member)| {
            let shared = &member.as_ref()?.candidacy.shared;
            let state = shared.state.lock();
            let (began, deadline, in_jeopardy) = state.election.reign()?;
            // What is over cannot be handed over.
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return None;
            }
            // What hands over already is not given up again.
            let in_danger = in_jeopardy && left < shared.profile.config.ttl / 3 && !state.election.is_handing_over();
            Some(Held { member: place, began, in_danger, not_sent: state.election.was_not_sent() })
        });
        let held: Vec<_> = held.collect();
        let (in_danger, given_up) = to_give_up(&held, renewed);
        if in_danger == 0 {
            return;
        }
        self.hub.tell(GroupEvent::Overloaded { in_danger, held: held.len() });
        for place in given_up {
            let place = place as u32;
            if let Some(member) = self.member(place) {
                member.resign = true;
                self.unsettle(place);
            }
        }
    }
}
