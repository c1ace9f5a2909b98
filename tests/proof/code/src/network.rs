//! Messages: each may come late, twice, in any order, or never.

use lessor::election::RequestId;
use lessor::storage::{Reply, Request};

use crate::random::Random;

/// A request on its way. `by`: which instance of which candidate has sent it.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) number: usize,
    pub(crate) by: (usize, u32),
    pub(crate) id: RequestId,
    pub(crate) request: Request,
}

/// An answer on its way.
#[derive(Clone)]
pub(crate) struct Answered {
    pub(crate) number: usize,
    pub(crate) by: (usize, u32),
    /// Of which slot.
    pub(crate) of: u16,
    pub(crate) id: RequestId,
    pub(crate) reply: Reply,
}

/// What is under way of one kind. The oldest is lost where there is much.
pub(crate) struct UnderWay<M>(Vec<M>);

impl<M: Clone> UnderWay<M> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn send(&mut self, message: M) {
        const MUCH: usize = 12;
        self.0.push(message);
        if self.0.len() > MUCH {
            self.0.remove(0);
        }
    }

    /// One that arrives now: mostly the newest. It may come again.
    pub(crate) fn arrives(&mut self, random: &mut Random) -> Option<M> {
        let last = self.0.len().checked_sub(1)?;
        let at = if random.percent(70) { last } else { random.below(self.0.len() as u64) as usize };
        if random.percent(25) { Some(self.0[at].clone()) } else { Some(self.0.remove(at)) }
    }
}
