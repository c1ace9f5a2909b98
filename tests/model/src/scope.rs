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
    /// The storage is a register, and observers judge.
    pub(crate) registers: bool,
    /// The clocks of those who observe show whole multiples of so many ms; or what time it is.
    pub(crate) resolution_ms: u64,
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
    /// Reads of a register that show what was before they were sent.
    pub(crate) stale: u8,
    /// How many calls of each candidate's handle go on at a time though nobody waits for them; more are dropped.
    pub(crate) lingering: [u8; 2],
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
        stale: 0,
        lingering: [0, 0],
    };

    /// Long enough for a lease to run out and be taken over.
    const LEASE: Self = Self { ticks: 4, requests: [2, 2], ..Self::NONE };

    /// Long enough to see a lease renewed before it runs out.
    const LOOKS: Self = Self { requests: [2, 3], ..Self::LEASE };

    /// Long enough for a renewal to come after the end of its lease was written, and to look what is there.
    const TOO_LATE: Self = Self { ticks: 3, lingering: [1, 0], ..Self::LEASE };

    /// A hand-over by release, which may arrive once more.
    const RELEASE: Self = Self { ticks: 1, requests: [3, 2], duplicates: 1, resigns: 1, ..Self::NONE };

    /// A reign goes on by ticket, though its claim fails, and that instance goes to sleep, too.
    const TICKETS: Self = Self { ticks: 4, requests: [4, 0], failures: 1, tickets: 2, ..Self::NONE };

    /// A hand-over by ticket.
    const TICKET: Self = Self { ticks: 1, requests: [2, 1], tickets: 1, ..Self::NONE };
}

impl Scope {
    fn new(budgets: Vec<Budget>) -> Self {
        Self { clocks: Clocks::APART, late: 1, step_ms: 0, guard: false, registers: false, resolution_ms: 0, budgets }
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

    fn over_registers(budgets: Vec<Budget>) -> Self {
        Self { registers: true, ..Self::new(budgets) }
    }

    /// The storage is a register that can only be compared and swapped: each candidate judges by what it has seen.
    #[must_use]
    pub fn registers() -> Self {
        let lease = Budget::LEASE;
        let mut budgets = vec![
            Budget::LOOKS,
            Budget { failures: 1, ..lease },
            Budget { stale: 1, ..lease },
            Budget { crashes: 1, ..lease },
            Budget { tickets: 1, ..lease },
            Budget::TICKETS,
            Budget { ticks: 1, stops: 1, ..lease },
            Budget::RELEASE,
            Budget { duplicates: 0, lingering: [1, 1], ..Budget::RELEASE },
        ];
        budgets.extend(Self::reads().budgets);
        Self::over_registers(budgets)
    }

    /// A part of that: enough for most of the faults of a register and its handles.
    pub(crate) fn looks() -> Self {
        Self::over_registers(vec![Budget::LOOKS])
    }

    /// A part of that: moments in which reads show what was.
    pub(crate) fn reads() -> Self {
        let reads = Budget { stale: 1, ..Budget::NONE };
        Self::over_registers(vec![
            Budget { requests: [3, 2], resigns: 1, ..reads },
            Budget { ticks: 1, requests: [3, 0], failures: 1, ..reads },
        ])
    }

    /// Over a register: who takes over waits for longer than the lease lasts, so its end is written before. And keys are handed
    /// over to the other candidate, and reserved for it.
    #[must_use]
    pub fn marks() -> Self {
        let guarded = Budget { ticks: 5, requests: [2, 3], ..Budget::NONE };
        let transfer = Budget { ticks: 3, requests: [3, 2], transfers: 1, ..Budget::NONE };
        let scope = Self::over_registers(vec![
            guarded,
            Budget::TOO_LATE,
            transfer,
            Budget { ticks: 1, crashes: 1, ..transfer },
            Budget::RELEASE,
            Budget::TICKET,
        ]);
        Self { guard: true, ..scope }
    }

    /// A part of that: a renewal is too late.
    pub(crate) fn too_late() -> Self {
        Self { guard: true, ..Self::over_registers(vec![Budget::TOO_LATE]) }
    }

    /// Over a register: the clocks of those who observe show whole multiples of three ticks.
    #[must_use]
    pub fn coarse() -> Self {
        let observed = Budget { ticks: 7, ..Budget::LEASE };
        let scope =
            Self::over_registers(vec![observed, Budget::RELEASE, Budget { lingering: [1, 0], ..Budget::TICKET }]);
        Self { resolution_ms: 330, ..scope }
    }

    /// Over a register: five minutes with two threads, depth first.
    #[must_use]
    pub fn observers() -> Self {
        let lease = Budget::LEASE;
        Self::over_registers(vec![
            Budget { ticks: 5, requests: [3, 3], ..lease },
            Budget { requests: [3, 2], failures: 1, ..lease },
            Budget { failures: 1, stale: 1, ..lease },
            Budget { failures: 1, crashes: 1, ..lease },
            Budget { duplicates: 1, ..lease },
            // Enough for what was seen, what was before it, and what comes after it.
            Budget { requests: [3, 4], stale: 1, ..lease },
            Budget { lingering: [1, 0], ..lease },
            Budget { lingering: [0, 1], ..lease },
            Budget { ticks: 3, lingering: [1, 1], ..lease },
            Budget { lingering: [1, 1], ..Budget::RELEASE },
            Budget::TICKET,
        ])
    }

    /// Whether this is to happen.
    pub(crate) fn has(&self, happens: impl Fn(&Budget) -> bool) -> bool {
        self.budgets.iter().any(happens)
    }

    pub(crate) fn has_transfers(&self) -> bool {
        self.has(|budget| budget.transfers > 0)
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
            "registers" => Self::registers(),
            "marks" => Self::marks(),
            "coarse" => Self::coarse(),
            "observers" => Self::observers(),
            _ => {
                let names = "tiny, small, medium, large, back, forward, transfer, registers, marks, coarse, observers";
                return Err(format!("no scope '{name}', only {names}"));
            }
        })
    }
}
