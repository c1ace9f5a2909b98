//! How long to wait before trying again.

use core::time::Duration;

/// The pauses between attempts: each twice as long as the one before, up to a longest one.
///
/// Half of each pause is random, so that clients that lost their connections together do not come back together.
///
/// ```
/// use lessor_kit::backoff::Backoff;
///
/// let mut backoff = Backoff::default();
/// assert_eq!(backoff.pause(u32::MAX).as_millis(), 250);
/// assert_eq!(backoff.pause(u32::MAX).as_millis(), 500);
/// // It works again, and has done so for a while.
/// backoff.reset();
/// assert_eq!(backoff.pause(0).as_millis(), 125, "half of it, at least");
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The pause after a first failure, and the longest one. A first one that is longer counts as the longest.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        let first = if first.as_nanos() > longest.as_nanos() { longest } else { first };
        Self { first, longest, next: first }
    }

    /// The longest pause. What has worked for as long counts as working: see [`reset`](Self::reset).
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// It has worked for a while: the next pause is the first one again.
    ///
    /// Do not call it as soon as something works: a server that accepts connections and breaks them would be asked
    /// without a pause.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }

    /// It will not work before somebody changes something, a password, say: all pauses are the longest until
    /// [`reset`](Self::reset).
    pub const fn lengthen(&mut self) {
        self.next = self.longest;
    }

    /// How long to wait now: half of the pause, and of its other half as much as `random` is of [`u32::MAX`].
    ///
    /// Without a source of randomness, `u32::MAX` will do.
    #[must_use]
    pub fn pause(&mut self, random: u32) -> Duration {
        let half = self.next / 2;
        self.next = self.next.saturating_mul(2).min(self.longest);
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

/// 250 ms at first, up to 30 s: the pauses of this project's storages between connections for wake-ups.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(backoff: &mut Backoff, random: u32) -> u128 {
        backoff.pause(random).as_millis()
    }

    #[test]
    fn pauses_grow() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| ms(&mut backoff, u32::MAX)).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(ms(&mut backoff, 0), 125);
    }

    #[test]
    fn half_of_a_pause_is_random() {
        let pause = |random| ms(&mut Backoff::default(), random);
        assert_eq!([pause(0), pause(u32::MAX / 2), pause(u32::MAX)], [125, 187, 250]);
    }

    #[test]
    fn what_lasts_is_asked_rarely() {
        let mut backoff = Backoff::default();
        backoff.lengthen();
        assert_eq!(ms(&mut backoff, 0), 15_000);
        assert_eq!(ms(&mut backoff, u32::MAX), 30_000, "it has not worked since");
        backoff.reset();
        assert_eq!(ms(&mut backoff, u32::MAX), 250);
    }

    #[test]
    fn the_first_is_no_longer_than_the_longest() {
        let longest = Duration::from_secs(1);
        assert_eq!(Backoff::new(Duration::MAX, longest).pause(u32::MAX), longest);
        assert_eq!(Backoff::new(Duration::ZERO, longest).pause(u32::MAX), Duration::ZERO);
        let mut endless = Backoff::new(Duration::MAX, Duration::MAX);
        assert!(endless.pause(0) > longest && endless.pause(0) > longest);
    }
}
