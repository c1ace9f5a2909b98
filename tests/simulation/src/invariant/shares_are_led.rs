//! R21: where all is well, processes that share their keys see each other, and each key is led by the one to which it belongs,
//! or by one that takes it to belong to a third, or where moves are switched off.

use crate::sim::World;

const RULE: &str = "shares are led";

impl World {
    /// All has been well for a while.
    pub(super) fn check_shares(&mut self) {
        let Some(spread) = &self.plan.spread else { return };
        let members: Vec<_> =
            (0..spread.members.len()).filter(|process| self.plan.member(*process).is_some()).collect();
        for process in &members {
            let seen: Vec<_> = self.views[*process].present.keys().copied().collect();
            if seen != members {
                return self.fail(RULE, format!("p{process} sees {seen:?}, and there are {members:?}"));
            }
        }
        if !self.plan.shares_swiftly() {
            return;
        }
        let shares: Vec<_> = (0..self.processes.len()).map(|process| self.shares_in_calm(process)).collect();
        for seat in (0..self.seats.len()).filter(|seat| self.seats[*seat].leads) {
            let (process, key) = (self.seats[seat].process, self.seats[seat].key);
            let owner = members.iter().find(|owner| shares[**owner].get(&key) == Some(owner));
            let yields = |owner: &&usize| shares[process].get(&key) == Some(owner);
            let Some(owner) = owner.filter(yields).filter(|owner| **owner != process) else { continue };
            let (own, its) = (&self.views[process], &self.views[*owner]);
            let text = format!("p{process} leads k{key}, which belongs to p{owner}, as both know: {own:?}, {its:?}");
            return self.fail(RULE, text);
        }
    }
}
