//! A session on its way from one instance of a candidate to the next.

use core::fmt;
use core::time::Duration;

use crate::storage::Session;
use crate::term::Term;
use crate::time::Instant;

/// Lets the next instance of a candidate go on with the session of one that went to sleep: at the edge, where
/// instances come and go between two steps, and a new session would have to wait for the old one's lease to run out.
///
/// [`Driver::into_ticket`](crate::Driver::into_ticket) writes it, [`Builder::resume`](crate::Builder::resume) takes
/// it. Between them it has to be kept where a single instance can read and write, and **deleted for good before it is
/// used**: two instances with one session both lead. Whoever finds no ticket draws a new session. It is a secret,
/// like the session.
///
/// ```
/// use lessor::{Builder, ManualTimer, MemoryStorage, Ticket};
///
/// let timer = ManualTimer::new();
/// let storage = MemoryStorage::with_timer(timer.clone());
/// let (candidate, mut driver) = Builder::new("k").build_with(storage.clone(), timer.clone(), || 7)?;
/// timer.block_on(driver.step());
/// assert!(candidate.is_leader());
/// let bytes = driver.into_ticket().unwrap().to_bytes(); // goes to sleep
/// assert!(!candidate.is_leader());
///
/// let ticket = Ticket::from_bytes(bytes).unwrap(); // read, and deleted for good
/// let (next, mut driver) = Builder::new("k").resume(ticket.continuing()).build_with(storage, timer.clone(), || 8)?;
/// timer.block_on(driver.step());
/// assert_eq!(next.leadership().unwrap().term().get(), 1, "the same reign");
/// # Ok::<(), lessor::BuildError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a ticket that is lost costs the next instance the wait for the old lease"]
pub struct Ticket {
    pub(crate) session: Session,
    pub(crate) known: Option<Term>,
    /// The deadline of the reign that the instance had, in the term that it knew last.
    pub(crate) reign_until: Option<Instant>,
    /// Whether the next instance goes on with that reign.
    pub(crate) continues: bool,
}

impl Ticket {
    /// With this ticket the next instance goes on with the reign, in the same term, if it led when it went to sleep,
    /// its lease is still live and the deadline of the reign is not over. Else it begins a term of its own, as always.
    ///
    /// For where instances end between two steps all the time, and what the term was handed out for goes on meanwhile:
    /// a job that was told its term and how long it may take. The deadline is compared with the timer of the next
    /// instance, so the origin of both has to be the same: a wall clock's, say.
    pub const fn continuing(mut self) -> Self {
        self.continues = true;
        self
    }

    /// The term that the instance led in when it went to sleep.
    #[must_use]
    pub fn led(&self) -> Option<Term> {
        self.known.filter(|_| self.reign_until.is_some())
    }

    /// The deadline of that reign, by the timer of the instance.
    #[must_use]
    pub const fn reign_until(&self) -> Option<Instant> {
        self.reign_until
    }

    /// What [`to_bytes`](Self::to_bytes) gave. `None`: these bytes are no ticket.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let (session, numbers) = bytes.split_at_checked(16)?;
        let (known, until) = numbers.split_at_checked(8)?;
        let session = Session::from_bits(u128::from_be_bytes(session.try_into().ok()?));
        let known = match u64::from_be_bytes(known.try_into().ok()?) {
            0 => None,
            number => Some(Term::new(number)?),
        };
        let until_ms = u64::from_be_bytes(until.try_into().ok()?);
        let reign_until = (until_ms > 0).then(|| Instant::from_origin(Duration::from_millis(until_ms)));
        Some(Self { session, known, reign_until, continues: false })
    }

    /// The ticket, to be written down. Whether it is [`continuing`](Self::continuing) is for whoever takes it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let known = self.known.map_or(0, Term::get);
        // Rounded down: a reign may end early.
        let until = self.reign_until.map_or(0, |until| until.since_origin().as_millis());
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        let parts = self.session.to_bits().to_be_bytes().into_iter();
        let parts = parts.chain(known.to_be_bytes()).chain(until.to_be_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("known", &self.known)
            .field("reign_until", &self.reign_until)
            .field("continues", &self.continues)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        for known in [None, Some(Term::FIRST), Some(Term::LAST)] {
            for reign_until in [None, Some(Instant::from_origin(Duration::from_millis(7)))] {
                let session = Session::from_bits(u128::MAX - 7);
                let ticket = Ticket { session, known, reign_until, continues: false };
                assert_eq!(Ticket::from_bytes(ticket.to_bytes()), Some(ticket));
            }
        }
        assert_eq!(Ticket::from_bytes([0xff; 32]), None, "no such term");
    }

    /// A ticket is a secret: nothing prints its session.
    #[test]
    fn a_ticket_is_not_printed() {
        let session = Session::from_bits(424_242);
        let ticket = Ticket { session, known: None, reign_until: None, continues: false };
        assert!(!alloc::format!("{ticket:?}").contains("424242"));
    }
}
