//! What a seed means: who takes part, with which settings, and which faults there are.
//!
//! Each seed draws its own mix (Groce et al., "Swarm testing", 2012): where every fault is always on, some hide what
//! others would show.

use std::num::NonZeroU32;
use std::time::Duration;

use lessor::Config;

use crate::clock::{MILLISECOND, Nanos};
use crate::random::Random;

mod chosen;
mod faults;
mod groups;
mod patience;
mod ranks;
mod registers;
mod slots;
mod spread;

pub(crate) use faults::Faults;
pub(crate) use patience::Gone;
pub(crate) use registers::Registers;
pub(crate) use spread::Spread;

/// Which protocol takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The shipped code.
    Lessor,
    /// The Go package `less`.
    Less,
    /// Kubernetes' client-go.
    ClientGo,
}

impl Protocol {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lessor => "lessor",
            Self::Less => "less (Go)",
            Self::ClientGo => "client-go",
        }
    }
}

/// Something that the documentation forbids, or a promise that is not given: the simulator has to show why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A candidate's clock stands still while its machine sleeps.
    ClockStopsInSuspend,
    /// Two processes draw the same session.
    TwoProcessesOneSession,
    /// A ticket is used by the next instance while the last one goes on.
    TicketKept,
    /// The storage's clock steps forward, and nobody set the take-over guard.
    StorageStepsForwardWithoutGuard,
    /// The resource does not look at terms, and machines freeze.
    UnfencedWrites,
    /// A storage loses data and goes on as if nothing had happened.
    StorageForgetsWithoutFreeze,
    /// Clocks run three times as wrong as the margin allows for.
    RateBeyondMargin,
    /// The storage reads, judges, and writes later.
    GetThenPut,
    /// Registers are written whatever their revision is.
    SwapsUnconditionally,
    /// Registers compare, and swap a little later.
    SwapsInTwoSteps,
    /// Several writes of a register have one revision.
    RevisionsReused,
    /// The revision that a read shows is not that of the bytes.
    TornReads,
    /// A read need not show what its own handle has written.
    ReadsMissOwnWrites,
    /// Registers that nobody writes to are deleted.
    RegistersRunOut,
    /// The clock by which a handle of registers observes steps forward.
    ObserverStepsForward,
}

impl Misuse {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 15] = [
        ("clock_stops_in_suspend", Self::ClockStopsInSuspend),
        ("two_processes_one_session", Self::TwoProcessesOneSession),
        ("ticket_kept", Self::TicketKept),
        ("storage_steps_forward_without_guard", Self::StorageStepsForwardWithoutGuard),
        ("unfenced_writes", Self::UnfencedWrites),
        ("storage_forgets_without_freeze", Self::StorageForgetsWithoutFreeze),
        ("rate_beyond_margin", Self::RateBeyondMargin),
        ("get_then_put", Self::GetThenPut),
        ("swaps_unconditionally", Self::SwapsUnconditionally),
        ("swaps_in_two_steps", Self::SwapsInTwoSteps),
        ("revisions_reused", Self::RevisionsReused),
        ("torn_reads", Self::TornReads),
        ("reads_miss_own_writes", Self::ReadsMissOwnWrites),
        ("registers_run_out", Self::RegistersRunOut),
        ("observer_steps_forward", Self::ObserverStepsForward),
    ];

    /// Whether it is a store of registers, or its handle, that is wrong.
    fn is_of_registers(self) -> bool {
        matches!(
            self,
            Self::SwapsUnconditionally
                | Self::SwapsInTwoSteps
                | Self::RevisionsReused
                | Self::TornReads
                | Self::ReadsMissOwnWrites
                | Self::RegistersRunOut
                | Self::ObserverStepsForward
        )
    }
}

/// How a candidate is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `Driver::run`.
    Run,
    /// `Driver::step`, from one alarm to the next; instances end, and the next one goes on with a ticket.
    Step,
    /// `Election` without any async code of the library, all keys in one loop, in batches.
    Batch,
    /// `GroupDriver::run`: all keys under one driver.
    Group,
    /// `GroupDriver::step`.
    GroupStep,
}

impl Kind {
    /// Whether it does something only when its time has come.
    pub(crate) fn is_stepped(self) -> bool {
        matches!(self, Self::Step | Self::GroupStep)
    }

    /// Whether one driver has all keys of the process.
    pub(crate) fn is_group(self) -> bool {
        matches!(self, Self::Group | Self::GroupStep)
    }
}

/// What a user does with a leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Work within `Leadership::run`.
    Run,
    /// Work that holds a `Guard`, and takes its time to end.
    Guard,
    /// Work that asks before each step.
    Ask,
}

#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) kind: Kind,
    pub(crate) style: Style,
    pub(crate) config: Config,
    /// By how much its clock may be wrong, in billionths.
    pub(crate) rate: i64,
}

/// A run, drawn from its seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Who takes part.
    pub protocol: Protocol,
    /// What is done on purpose that must not be done.
    pub misuse: Option<Misuse>,
    pub(crate) keys: usize,
    /// How many may lead a key at once. 0: the keys have no slots.
    pub(crate) slots: usize,
    /// How the groups share the keys, if they do.
    pub(crate) spread: Option<Spread>,
    pub(crate) participants: Vec<Participant>,
    pub(crate) faults: Faults,
    pub(crate) gone: Option<Gone>,
    /// What befalls the registers, if the storage is over such.
    pub(crate) registers: Option<Registers>,
    pub(crate) storage_rate: i64,
    /// The longest ttl of all: the unit of the faults' times.
    pub(crate) ttl: Nanos,
    /// From here on nothing is wrong any more.
    pub(crate) heal_at: Nanos,
}

impl Plan {
    /// The run of this seed with the settings that the protocols have by default, so that they can be compared: one
    /// key, and the faults in proportion to lessor's ttl of 10 s. lessor has its take-over guard on where the storage's
    /// clock steps forward, and in a fifth of the other runs. The storage loses nothing: what a storage that may
    /// does for lessor it does not do for the others. And no operator takes a lease from its holder, who would believe in it
    /// for a while longer: the others have nothing of that kind.
    pub fn with_defaults(seed: u64, protocol: Protocol) -> Self {
        let mut plan = Self::ungrouped(seed, protocol, None);
        let guard = plan.guarded();
        let ttls = plan.heal_at / plan.ttl;
        for participant in &mut plan.participants {
            participant.config = Config::default();
            participant.config.takeover_guard = guard;
            participant.rate = if plan.faults.clock_rates { rate_bound(&participant.config) } else { 0 };
        }
        let widest = plan.participants.first().map_or(0, |participant| participant.rate);
        plan.storage_rate = plan.storage_rate.clamp(-widest, widest);
        plan.faults.storage_forgets = 0.0;
        plan.faults.without_operators();
        plan.faults.transfers = 0.0;
        plan.ttl = nanos(Config::default().ttl);
        plan.heal_at = plan.ttl * ttls;
        plan.keys = 1;
        plan
    }

    /// This run without operators: nobody takes a lease from its holder, or looks at all leases.
    #[must_use]
    pub fn without_operators(mut self) -> Self {
        self.faults.without_operators();
        self
    }

    /// Whether clocks stand still for a while with their machines: no lease is safe from that, only the fence is.
    pub fn freezes(&self) -> bool {
        self.faults.frozen > 0.0
    }

    /// The run of this seed.
    pub fn new(seed: u64, protocol: Protocol, misuse: Option<Misuse>) -> Self {
        let mut plan = Self::ungrouped(seed, protocol, misuse);
        if protocol == Protocol::Lessor && misuse.is_none() {
            plan.group_some();
            plan.slow_some();
            plan.slot_some();
            plan.rank_some();
            plan.spread_some();
            plan.lose_one();
        }
        if protocol == Protocol::Lessor && misuse.is_none_or(Misuse::is_of_registers) {
            plan.register_some();
        }
        plan
    }

    /// The run of this seed where each candidate has a driver of its own, or a loop.
    fn ungrouped(seed: u64, protocol: Protocol, misuse: Option<Misuse>) -> Self {
        let mut random = Random::stream(seed, "plan", 0);
        let mut faults = Faults::draw(seed);
        match misuse {
            Some(Misuse::ClockStopsInSuspend) => faults.suspended = 10.0,
            Some(Misuse::TicketKept) => faults.evictions = 0.2,
            Some(Misuse::StorageStepsForwardWithoutGuard) => {
                faults.storage_steps_forward = 15.0;
                faults.storage_forgets = 0.0;
            }
            Some(Misuse::UnfencedWrites) => faults.frozen = 15.0,
            Some(Misuse::StorageForgetsWithoutFreeze) => {
                faults.storage_forgets = 20.0;
                faults.storage_steps_forward = 0.0;
                faults.storage_steps_back = 0.0;
            }
            Some(Misuse::RateBeyondMargin) => faults.clock_rates = true,
            _ => {}
        }
        if protocol != Protocol::Lessor || misuse.is_some() {
            faults.without_operators();
        }
        let guard = match misuse {
            Some(Misuse::StorageStepsForwardWithoutGuard) => false,
            _ => faults.storage_steps_forward > 0.0 || random.chance(0.2),
        };
        let ttl =
            Duration::from_millis(random.choose(&[100, 1000, 3000, 10_000, 10_000, 10_000, 10_000, 30_000, 30_000]));
        let participants: Vec<_> = (0..random.choose(&[2, 2, 3, 3, 4, 5]))
            .map(|number| Participant::draw(seed, number, ttl, guard, &faults, misuse))
            .collect();
        let widest = participants.iter().map(|participant| participant.rate).min().unwrap_or(0);
        let storage_rate = match random.between(0, 4) {
            0 => widest,
            1 => -widest,
            _ => random.between(0, 2 * widest as u64 + 1) as i64 - widest,
        };
        let ttl = participants.iter().map(|participant| nanos(participant.config.ttl)).max().unwrap_or(1);
        let heal_at = ttl * random.between(25, 100);
        let keys = if random.chance(0.02) { 10 } else { random.choose(&[1, 1, 1, 2, 3]) };
        let (slots, spread, gone, registers) = (0, None, None, None);
        Self {
            seed,
            protocol,
            misuse,
            keys,
            slots,
            spread,
            participants,
            faults,
            gone,
            registers,
            storage_rate,
            ttl,
            heal_at,
        }
    }

    /// Whether some processes have all their candidates under one driver.
    pub fn has_groups(&self) -> bool {
        self.participants.iter().any(|participant| participant.kind.is_group())
    }

    /// The faults that are on.
    pub fn title(&self) -> String {
        let registers = self.registers.iter().flat_map(Registers::named);
        let faults = self.faults.named().into_iter().chain(registers).filter(|(_, on)| *on);
        let faults: Vec<_> = faults.map(|(name, _)| name).collect();
        format!("{}, seed {}: {}", self.protocol.name(), self.seed, faults.join(", "))
    }

    /// For how long a storage that lost data grants nothing: the longest ttl, and what its clock may be too fast.
    pub(crate) fn freeze(&self) -> Duration {
        Duration::from_nanos(self.ttl + self.ttl / 5)
    }

    pub(crate) fn guarded(&self) -> bool {
        self.participants.iter().any(|participant| participant.config.takeover_guard)
    }
}

impl Participant {
    fn draw(seed: u64, number: usize, ttl: Duration, guard: bool, faults: &Faults, misuse: Option<Misuse>) -> Self {
        let mut random = Random::stream(seed, "participant", number);
        let mut config = Config::with_ttl(ttl);
        config.takeover_guard = guard;
        if random.chance(0.5) {
            let tuned = Self::tune(&mut random, config.clone());
            if tuned.validate().is_ok() {
                config = tuned;
            }
        }
        let times = if misuse == Some(Misuse::RateBeyondMargin) { 3 } else { 1 };
        let rate = if faults.clock_rates { rate_bound(&config) * times } else { 0 };
        Self {
            kind: if misuse == Some(Misuse::TicketKept) {
                Kind::Step
            } else {
                random.choose(&[Kind::Run, Kind::Run, Kind::Step, Kind::Batch])
            },
            style: random.choose(&[Style::Run, Style::Guard, Style::Ask]),
            config,
            rate,
        }
    }

    fn tune(random: &mut Random, mut config: Config) -> Config {
        let ttl = config.ttl;
        let part = |random: &mut Random, low: f64, high: f64| ttl.mul_f64(low + (high - low) * random.fraction());
        if random.chance(0.3) {
            config.ttl = part(random, 0.5, 2.0);
        }
        if random.chance(0.3) {
            config.margin = part(random, 0.01, 0.2).max(Duration::from_millis(2));
        }
        if random.chance(0.3) {
            config.renew_interval = part(random, 0.05, 0.4);
        }
        if random.chance(0.3) {
            config.retry_interval = part(random, 0.05, 1.0);
        }
        if random.chance(0.3) {
            config.request_timeout = part(random, 0.05, 0.25);
        }
        if random.chance(0.3) {
            config.drain_timeout = random.choose(&[Duration::ZERO, ttl / 10, ttl * 3]);
        }
        if random.chance(0.3) {
            config.cool_off = part(random, 0.0, 1.0);
        }
        if random.chance(0.2) {
            config.min_hold = part(random, 0.0, 2.0);
        }
        if random.chance(0.2) {
            config.takeover_delay = part(random, 0.0, 1.0);
        }
        if random.chance(0.2) {
            config.fall_back_after = NonZeroU32::new(random.between(1, 4) as u32);
        }
        config
    }
}

/// By how much a clock may be wrong, in billionths: with rates within ±r the margin has to be `ttl * 2r / (1 + r)` and
/// the ms of the storage's clock.
fn rate_bound(config: &Config) -> i64 {
    let margin = nanos(config.margin).saturating_sub(MILLISECOND) as f64;
    (margin / (2.0 * nanos(config.ttl) as f64 - margin) * 1e9) as i64
}

pub(crate) fn nanos(duration: Duration) -> Nanos {
    duration.as_nanos() as Nanos
}
