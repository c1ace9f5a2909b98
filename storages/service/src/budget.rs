//! Budgets: how much is done for a caller within a minute.

/// So much a minute, all at once if need be; what was used comes back evenly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    used: f64,
    /// By the clock of whoever counts, which may step.
    at_ms: f64,
    /// When all of it is there again.
    whole_ms: f64,
}

const MINUTE_MS: f64 = 60_000.0;

impl Budget {
    pub(crate) const fn new() -> Self {
        Self { used: 0.0, at_ms: 0.0, whole_ms: 0.0 }
    }

    /// Uses so much of this many a minute.
    ///
    /// # Errors
    /// In how many ms as much will be there again; nothing was used. What is more than a whole minute's is done once a whole minute's is
    /// there, and is used up for longer: else nobody could ever ask for it.
    pub(crate) fn spend(&mut self, count: u32, a_minute: u32, now_ms: f64) -> Result<(), u64> {
        let all = f64::from(a_minute);
        if a_minute == 0 {
            return Err(MINUTE_MS as u64);
        }
        self.come_back(all, now_ms);
        let wanted = f64::from(count).min(all);
        let missing = self.used + wanted - all;
        if missing > 0.0 {
            return Err((missing / all * MINUTE_MS).ceil() as u64);
        }
        self.used += f64::from(count);
        self.whole_ms = now_ms + self.used / all * MINUTE_MS;
        Ok(())
    }

    /// Uses so much that was done already, whether it is there or not: what is missing has to come back before anything else is done.
    pub(crate) fn owe(&mut self, count: u32, a_minute: u32, now_ms: f64) {
        let all = f64::from(a_minute);
        if a_minute > 0 {
            self.come_back(all, now_ms);
            self.used += f64::from(count);
            self.whole_ms = now_ms + self.used / all * MINUTE_MS;
        }
    }

    fn come_back(&mut self, all: f64, now_ms: f64) {
        let back = (now_ms - self.at_ms).max(0.0) / MINUTE_MS * all;
        (self.used, self.at_ms) = ((self.used - back).max(0.0), now_ms);
    }

    /// Whether it is as good as a new one.
    fn is_whole(&self, now_ms: f64) -> bool {
        now_ms >= self.whole_ms
    }
}

/// Budgets of callers, by their names.
#[derive(Debug)]
pub(crate) struct Ledger<const N: usize>(Vec<(String, [Budget; N])>);

/// So many names are kept before it is looked which of them nothing is known of any more.
const NAMES: usize = 1_000;

impl<const N: usize> Ledger<N> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Does this with the budgets of this name.
    pub(crate) fn spend<T>(&mut self, name: &str, now_ms: f64, spend: impl FnOnce(&mut [Budget; N]) -> T) -> T {
        if let Some((_, budgets)) = self.0.iter_mut().find(|(known, _)| known == name) {
            return spend(budgets);
        }
        if self.0.len() >= NAMES {
            self.0.retain(|(_, budgets)| budgets.iter().any(|budget| !budget.is_whole(now_ms)));
        }
        let mut budgets = [Budget::new(); N];
        let spent = spend(&mut budgets);
        self.0.push((name.to_owned(), budgets));
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_comes_back() {
        let mut budget = Budget::new();
        let start = 1e12;
        assert_eq!(budget.spend(50, 60, start), Ok(()));
        assert_eq!(budget.spend(10, 60, start), Ok(()));
        assert_eq!(budget.spend(1, 60, start), Err(1_000));
        assert_eq!(budget.spend(1, 60, start + 999.0), Err(1));
        assert_eq!(budget.spend(1, 60, start + 1_000.0), Ok(()));
        assert_eq!(budget.spend(60, 60, start + 61_000.0), Ok(()));
    }

    /// What is refused uses nothing.
    #[test]
    fn refused() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(60, 60, 1e12), Ok(()));
        for _ in 0..100 {
            assert_eq!(budget.spend(30, 60, 1e12), Err(30_000));
        }
        assert_eq!(budget.spend(30, 60, 1e12 + 30_000.0), Ok(()));
    }

    #[test]
    fn more_than_all() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(180, 60, 1e12), Ok(()));
        assert_eq!(budget.spend(1, 60, 1e12), Err(121_000));
        assert_eq!(budget.spend(1, 60, 1e12 + 121_000.0), Ok(()));
    }

    /// What was done already is paid for afterwards.
    #[test]
    fn debts() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(1, 60, 1e12), Ok(()));
        budget.owe(119, 60, 1e12);
        assert_eq!(budget.spend(1, 60, 1e12), Err(61_000));
        assert_eq!(budget.spend(1, 60, 1e12 + 61_000.0), Ok(()));
        budget.owe(1, 0, 1e12);
    }

    /// A clock that steps back gives nothing, and takes nothing.
    #[test]
    fn a_clock_that_steps() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(60, 60, 1e12), Ok(()));
        assert_eq!(budget.spend(1, 60, 1e12 - 1e9), Err(1_000));
        assert_eq!(budget.spend(1, 60, 1e12 - 1e9 + 1_000.0), Ok(()));
    }

    /// Names that come and go are forgotten, but nobody's debts.
    #[test]
    fn names() {
        let mut ledger = Ledger::<2>::new();
        assert_eq!(ledger.spend("debtor", 1e12, |[_, budget]| budget.spend(180, 60, 1e12)), Ok(()));
        for number in 0..10_000 {
            let now_ms = 1e12 + f64::from(number) * 10.0;
            assert_eq!(ledger.spend(&number.to_string(), now_ms, |[budget, _]| budget.spend(1, 60, now_ms)), Ok(()));
        }
        assert!(ledger.0.len() < 2 * NAMES, "{} names", ledger.0.len());
        let later_ms = 1e12 + 100_000.0;
        assert!(ledger.spend("debtor", later_ms, |[_, budget]| budget.spend(1, 60, later_ms)).is_err());
    }

    #[test]
    fn none_at_all() {
        assert!(Budget::new().spend(1, 0, 1e12).is_err());
    }
}
