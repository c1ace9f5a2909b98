//! A session on its way from one instance of a candidate to the next.

use core::fmt;

use crate::lease::{Session, Term};

/// Lets the next instance of a candidate go on with the session of one that went to sleep: at the edge, where
/// instances come and go between two steps, and a new session would have to wait for the old one's lease to run out.
///
/// [`Driver::into_ticket`](crate::Driver::into_ticket) writes it, [`Builder::resume`](crate::Builder::resume) takes
/// it. Between them it has to be kept where a single instance can read and write, and **deleted for good before it is
/// used**: two instances with one session both lead. Whoever finds no ticket draws a new session. It is a secret,
/// like the session.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a ticket that is lost costs the next instance the wait for the old lease"]
pub struct Ticket {
    pub(crate) session: Session,
    pub(crate) known: Option<Term>,
    /// Whether the instance led in that term when it went to sleep.
    pub(crate) led: bool,
}

/// Beyond all terms.
const LED: u64 = 1 << 63;

impl Ticket {
    /// With this ticket the next instance goes on with the reign, in the same term, if it led when it went to sleep
    /// and its lease is still live. Else it begins a term of its own, always.
    ///
    /// For where instances end between two steps all the time, and what the term was handed out for goes on meanwhile:
    /// a job that was told its term and how long it may take. Use it only while that time, by the deadline of the
    /// reign, is not over: after a loss a term must not come back.
    pub fn continuing(self) -> Self {
        if !self.led {
            return self;
        }
        // Like a claimant to whom the reply was lost: it knows of everything before that term.
        let before = self.known.and_then(|term| Term::new(term.get() - 1));
        Self { known: before, led: false, ..self }
    }

    /// The term that the instance led in when it went to sleep.
    #[must_use]
    pub fn led(&self) -> Option<Term> {
        self.known.filter(|_| self.led)
    }

    /// What [`to_bytes`](Self::to_bytes) gave. `None`: these bytes are no ticket.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 24]) -> Option<Self> {
        let (session, known) = bytes.split_at_checked(16)?;
        let session = Session::from_bits(u128::from_be_bytes(session.try_into().ok()?));
        let number = u64::from_be_bytes(known.try_into().ok()?);
        let known = match number & !LED {
            0 => None,
            number => Some(Term::new(number)?),
        };
        Some(Self { session, known, led: number & LED != 0 })
    }

    /// The ticket, to be written down.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let known = self.known.map_or(0, Term::get) | if self.led { LED } else { 0 };
        let parts = self.session.to_bits().to_be_bytes().into_iter().chain(known.to_be_bytes());
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("known", &self.known).field("led", &self.led).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        for known in [None, Some(Term::FIRST), Some(Term::LAST)] {
            for led in [false, true] {
                let ticket = Ticket { session: Session::from_bits(u128::MAX - 7), known, led };
                assert_eq!(Ticket::from_bytes(ticket.to_bytes()), Some(ticket));
            }
        }
        assert_eq!(Ticket::from_bytes([0xff; 24]), None, "no such term");
    }

    /// A ticket is a secret: nothing prints its session.
    #[test]
    fn a_ticket_is_not_printed() {
        let ticket = Ticket { session: Session::from_bits(424_242), known: None, led: false };
        assert!(!alloc::format!("{ticket:?}").contains("424242"));
    }
}
