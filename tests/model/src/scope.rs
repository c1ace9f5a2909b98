//! How much may happen: the bounds that make the states finite.

use std::str::FromStr;
use std::time::Duration;

use lessor::Config;

use crate::clock::{Clocks, Tick};
use crate::fault::Fault;

/// Clocks, and how much may happen: all of one of the budgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub(crate) clocks: Clocks,
    /// How many late replies are under way; more are lost.
    pub(crate) late: usize,
    /// By how many ms a step moves the storage's clock.
    pub(crate) step_ms: i64,
    /// `Config::takeover_guard`.
    pub(crate) guard: bool,
    pub(crate) budgets: Vec<Budget>,
}

/// How much may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// How long it goes on.
    pub(crate) ticks: Tick,
    /// Requests of each candidate.
    pub(crate) requests: [u8; 2],
    /// Requests that are applied and arrive once more.
    pub(crate) duplicates: u8,
    /// Requests that fail with an error, whether they are applied or not.
    pub(crate) failures: u8,
    pub(crate) resigns: u8,
    /// Hand-overs to the other candidate.
    pub(crate) transfers: u8,
    pub(crate) stops: u8,
    /// Instances that vanish; the next one of their place draws a new session.
    pub(crate) crashes: u8,
    /// Instances that go to sleep and leave a ticket to the next one.
    pub(crate) tickets: u8,
    /// Steps of the storage's clock.
    pub(crate) steps: u8,
}

impl Budget {
    const NONE: Self = Self {
        ticks: 0,
        requests: [0, 0],
        duplicates: 0,
        failures: 0,
        resigns: 0,
        transfers: 0,
        stops: 0,
        crashes: 0,
        tickets: 0,
        steps: 0,
    };

    /// Long enough for a lease to run out and be taken over.
    const LEASE: Self = Self { ticks: 4, requests: [2, 2], ..Self::NONE };

    /// A hand-over by release, which may arrive once more.
    const RELEASE: Self = Self { ticks: 1, requests: [3, 2], duplicates: 1, resigns: 1, ..Self::NONE };

    /// A reign goes on by ticket, though its claim fails, and that instance goes to sleep, too.
    const TICKETS: Self = Self { ticks: 4, requests: [4, 0], failures: 1, tickets: 2, ..Self::NONE };

    /// A hand-over by ticket.
    const TICKET: Self = Self { ticks: 1, requests: [2, 1], tickets: 1, ..Self::NONE };
}

impl Scope {
    fn new(budgets: Vec<Budget>) -> Self {
        Self { clocks: Clocks::APART, late: 1, step_ms: 0, guard: false, budgets }
    }

    /// A moment, even without optimisation.
    #[must_use]
    pub fn tiny() -> Self {
        Self::new(vec![Budget { ticks: 3, resigns: 1, ..Budget::LEASE }, Budget::TICKET])
    }

    /// Half a minute: enough for the planted faults.
    #[must_use]
    pub fn small() -> Self {
        Self::new(vec![
            Budget::RELEASE,
            Budget { requests: [3, 2], ..Budget::LEASE },
            Budget { failures: 1, ..Budget::LEASE },
            Budget { duplicates: 1, ..Budget::LEASE },
            Budget { crashes: 1, ..Budget::LEASE },
            Budget { tickets: 1, ..Budget::LEASE },
            Budget::TICKETS,
            Budget { ticks: 1, stops: 1, ..Budget::LEASE },
        ])
    }

    /// Several minutes, depth first.
    #[must_use]
    pub fn medium() -> Self {
        let plain = Budget { requests: [3, 2], resigns: 1, ..Budget::LEASE };
        Self::new(vec![
            Budget { duplicates: 1, ..plain },
            Budget { failures: 1, ..plain },
            Budget { crashes: 1, ..plain },
            Budget { tickets: 1, ..plain },
            Budget { stops: 1, ..plain },
        ])
    }

    /// Ten minutes with two threads, depth first.
    #[must_use]
    pub fn large() -> Self {
        let lease = Budget { ticks: 5, ..Budget::LEASE };
        let plain = Budget { requests: [3, 3], resigns: 1, ..lease };
        Self::new(vec![
            Budget { requests: [4, 3], ..lease },
            plain,
            Budget { duplicates: 1, failures: 1, ..lease },
            Budget { tickets: 1, crashes: 1, ..lease },
            Budget { stops: 1, failures: 1, ..lease },
        ])
    }

    /// The storage's clock steps back.
    #[must_use]
    pub fn back() -> Self {
        let stepping = Budget { ticks: 5, requests: [3, 2], steps: 1, ..Budget::NONE };
        Self { step_ms: -200, ..Self::new(vec![stepping, Budget::RELEASE, Budget::TICKET]) }
    }

    /// The storage's clock steps forward, and the take-over guard is on.
    #[must_use]
    pub fn forward() -> Self {
        let stepping = Budget { ticks: 5, steps: 1, ..Budget::LEASE };
        let budgets = vec![stepping, Budget::RELEASE, Budget::TICKET];
        Self { step_ms: 500, guard: true, ..Self::new(budgets) }
    }

    /// Keys are handed over to the other candidate, and reserved for it for a tick.
    #[must_use]
    pub fn transfer() -> Self {
        let transfer = Budget { ticks: 2, requests: [3, 2], transfers: 1, ..Budget::NONE };
        Self::new(vec![
            Budget { duplicates: 1, ..transfer },
            Budget { failures: 1, ..transfer },
            Budget { ticks: 4, ..transfer },
            Budget { ticks: 1, tickets: 1, ..transfer },
            Budget { ticks: 1, crashes: 1, ..transfer },
            Budget::RELEASE,
        ])
    }

    pub(crate) fn has_transfers(&self) -> bool {
        self.budgets.iter().any(|budget| budget.transfers > 0)
    }

    /// Leases of three ticks, requests that time out within one. The margin covers rates within a tenth:
    /// `300 * 0.2 / 1.1` and 1 ms. The pauses are short, since when to send is the model's to choose.
    pub(crate) fn config(&self, fault: Option<Fault>) -> Config {
        let mut config = Config::with_ttl(Duration::from_millis(300));
        config.renew_interval = Duration::from_millis(1);
        config.retry_interval = Duration::from_millis(20);
        config.request_timeout = Duration::from_millis(80);
        config.margin = Duration::from_millis(if fault == Some(Fault::NoMargin) { 1 } else { 60 });
        config.drain_timeout = Duration::from_millis(80);
        // For so long a key is reserved.
        config.cool_off = Duration::from_millis(if self.has_transfers() { 100 } else { 0 });
        config.takeover_guard = self.guard && fault != Some(Fault::NoGuard);
        config
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "tiny" => Self::tiny(),
            "small" => Self::small(),
            "medium" => Self::medium(),
            "large" => Self::large(),
            "back" => Self::back(),
            "forward" => Self::forward(),
            "transfer" => Self::transfer(),
            _ => return Err(format!("no scope '{name}', only tiny, small, medium, large, back, forward, transfer")),
        })
    }
}
