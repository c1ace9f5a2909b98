//! How often, and for how long.

use core::time::Duration;

/// The rhythm of a connection.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The pause after a first failure. It doubles with each further one.
    pub(super) first_pause: Duration,
    /// The longest pause.
    pub(super) longest_pause: Duration,
    /// How often a sign of life is asked for, and looked who still subscribes.
    pub(super) heartbeat: Duration,
    /// After how long without one a connection counts as dead.
    pub(super) silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            heartbeat: Duration::from_secs(30),
            silence: Duration::from_secs(60),
        }
    }
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may work the next time.
    Passing,
    /// Somebody has to change something first: the token, say.
    Lasting,
}

/// The pauses between connections.
pub(super) struct Pauses {
    pace: Pace,
    next: Duration,
}

impl Pauses {
    pub(super) const fn new(pace: Pace) -> Self {
        Self { pace, next: pace.first_pause }
    }

    /// A connection has lasted.
    pub(super) const fn reset(&mut self) {
        self.next = self.pace.first_pause;
    }

    /// How long to wait now: half of it and a random part of the other half, so that those who lost their connections
    /// together do not come back together.
    pub(super) fn after(&mut self, trouble: Trouble, random: u32) -> Duration {
        if trouble == Trouble::Lasting {
            self.next = self.pace.longest_pause;
        }
        let half = self.next / 2;
        self.next = self.next.saturating_mul(2).min(self.pace.longest_pause);
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn ms(pauses: &mut Pauses, trouble: Trouble, random: u32) -> u128 {
        pauses.after(trouble, random).as_millis()
    }

    #[test]
    fn pauses_grow() {
        let mut pauses = Pauses::new(Pace::default());
        let passing: Vec<_> = (0..9).map(|_| ms(&mut pauses, Trouble::Passing, u32::MAX)).collect();
        assert_eq!(passing, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        pauses.reset();
        assert_eq!(ms(&mut pauses, Trouble::Passing, 0), 125);
        assert_eq!(ms(&mut pauses, Trouble::Lasting, 0), 15_000);
        assert_eq!(ms(&mut pauses, Trouble::Passing, u32::MAX), 30_000, "it has not lasted since");
    }
}
