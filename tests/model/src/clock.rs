//! True time in ticks, and what each clock shows at a tick.

use std::time::Duration;

use lessor::Instant;

/// True time.
pub(crate) type Tick = u8;

/// What a tick is on a clock that is right, in ms.
pub(crate) const TICK_MS: u64 = 100;

/// Where the clocks begin: nothing may depend on that.
const PLACE_ORIGINS_MS: [u64; 2] = [0, 7_777_000];
const STORAGE_ORIGIN_MS: u64 = 1_000_000_000;

/// How much each clock shows for a tick, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(crate) places: [u64; 2],
    pub(crate) storage: u64,
}

impl Clocks {
    /// A tenth too slow, a tenth too fast; the storage's, which ends leases, is a tenth too fast.
    pub(crate) const APART: Self = Self { places: [90, 110], storage: 110 };

    /// The clock of a candidate's place.
    pub(crate) fn of(&self, place: u8, tick: Tick) -> Instant {
        let place = usize::from(place) % self.places.len();
        let (origin, rate) = PLACE_ORIGINS_MS.into_iter().zip(self.places).nth(place).unwrap_or((0, TICK_MS));
        Instant::from_origin(Duration::from_millis(origin + rate * u64::from(tick)))
    }

    /// The storage's clock, had it never stepped, in ms.
    pub(crate) fn of_storage(&self, tick: Tick) -> u64 {
        STORAGE_ORIGIN_MS + self.storage * u64::from(tick)
    }
}
