//! A session on its way from one instance of a candidate to the next.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::storage::Session;
use crate::term::Term;
use crate::text::Key;
use crate::time::Instant;

/// Lets the next instance of a candidate go on with the session of one that went to sleep: at the edge, where
/// instances come and go between two steps, and a new session would have to wait for the old one's lease to run out.
///
/// [`Driver::into_ticket`](crate::Driver::into_ticket) writes it, [`Builder::resume`](crate::Builder::resume) takes
/// it. Between them it has to be kept where a single instance can read and write, and **deleted for good before it is
/// used**: two instances with one session both lead. Whoever finds no ticket draws a new session. It is a secret,
/// like the session.
///
/// It is of one ttl: a session never asks for two, since what lingers of the shorter one could cut the longer one short
/// (R9 of [the rules](crate::guide::rules)). An instance whose configuration has another ttl draws a session of its own, and waits
/// for the old lease to run out.
///
/// ```
/// use lessor::{Builder, ManualTimer, MemoryStorage, Ticket};
///
/// let timer = ManualTimer::new();
/// let storage = MemoryStorage::with_timer(timer.clone());
/// let (candidate, mut driver) = Builder::new("k").build_on(storage.clone(), timer.clone())?;
/// timer.block_on(driver.step());
/// assert!(candidate.is_leader());
/// let bytes = driver.into_ticket().unwrap().into_bytes(); // goes to sleep
/// assert!(!candidate.is_leader());
///
/// let ticket = Ticket::from_bytes(&bytes).unwrap(); // read, and deleted for good
/// let (next, mut driver) = Builder::new("k").resume(ticket.continuing()).build_on(storage, timer.clone())?;
/// timer.block_on(driver.step());
/// assert_eq!(next.leadership().unwrap().term().get(), 1, "the same reign");
/// # Ok::<(), lessor::BuildError>(())
/// ```
#[must_use = "a ticket that is lost costs the next instance the wait for the old lease"]
pub struct Ticket {
    pub(crate) key: Key,
    pub(crate) session: Session,
    /// What the session asks for.
    pub(crate) ttl: Duration,
    pub(crate) known: Option<Term>,
    /// The deadline of the reign that the instance had, in the term that it knew last.
    pub(crate) reign_until: Option<Instant>,
    /// Whether the next instance goes on with that reign.
    pub(crate) continues: bool,
}

/// The first byte of a ticket: how the others are laid out.
const LAYOUT: u8 = 1;

impl Ticket {
    /// With this ticket the next instance goes on with the reign, in the same term, if it led when it went to sleep,
    /// its lease is still live and the deadline of the reign is not over. Else it begins a term of its own, as always.
    ///
    /// For where instances end between two steps all the time, and what the term was handed out for goes on meanwhile:
    /// a job that was told its term and how long it may take. The deadline is compared with the timer of the next
    /// instance, so the origin of both has to be the same: a wall clock's, say. (`SystemTimer` counts from the boot of the
    /// machine.) One that steps back between the two may bring a term back that somebody saw end; it leads alone all the same, since the
    /// storage says that the lease is its own.
    pub const fn continuing(mut self) -> Self {
        self.continues = true;
        self
    }

    /// The election that it belongs to. A builder for another one refuses it.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
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

    /// What [`into_bytes`](Self::into_bytes) gave. `None`: these bytes are no ticket, or one of a later version of this
    /// library; go on without it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[LAYOUT], rest) = bytes.split_first_chunk()? else { return None };
        let (session, rest) = rest.split_first_chunk()?;
        let (ttl_ns, rest) = rest.split_first_chunk()?;
        let (known, rest) = rest.split_first_chunk()?;
        let (until_ms, key) = rest.split_first_chunk()?;
        let known = match u64::from_be_bytes(*known) {
            0 => None,
            number => Some(Term::new(number)?),
        };
        let until_ms = u64::from_be_bytes(*until_ms);
        Some(Self {
            key: Key::new(core::str::from_utf8(key).ok()?).ok()?,
            session: Session::from_bits(u128::from_be_bytes(*session)),
            ttl: Duration::from_nanos(u64::from_be_bytes(*ttl_ns)),
            known,
            reign_until: (until_ms > 0).then(|| Instant::from_origin(Duration::from_millis(until_ms))),
            continues: false,
        })
    }

    /// The ticket, to be written down: at most 297 bytes. Whether it is [`continuing`](Self::continuing) is for whoever
    /// takes it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let known = self.known.map_or(0, Term::get);
        // Rounded down: a reign may end early.
        let until_ms = self.reign_until.map_or(0, |until| until.since_origin().as_millis());
        let until_ms = u64::try_from(until_ms).unwrap_or(u64::MAX);
        // Longer than all that fits, it is another one when it is read, and so is its session.
        let ttl_ns = u64::try_from(self.ttl.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = Vec::from([LAYOUT]);
        bytes.extend(self.session.to_bits().to_be_bytes());
        bytes.extend(ttl_ns.to_be_bytes());
        bytes.extend(known.to_be_bytes());
        bytes.extend(until_ms.to_be_bytes());
        bytes.extend(self.key.as_str().as_bytes());
        bytes
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("key", &self.key)
            .field("ttl", &self.ttl)
            .field("known", &self.known)
            .field("reign_until", &self.reign_until)
            .field("continues", &self.continues)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(known: Option<Term>, reign_until: Option<Instant>) -> Ticket {
        let key = Key::new("nightly/日").unwrap();
        let (session, ttl) = (Session::from_bits(u128::MAX - 424_242), Duration::from_nanos(15_000_000_001));
        Ticket { key, session, ttl, known, reign_until, continues: false }
    }

    #[test]
    fn bytes_and_back() {
        for known in [None, Some(Term::FIRST), Some(Term::LAST)] {
            for reign_until in [None, Some(Instant::from_origin(Duration::from_millis(7)))] {
                let before = ticket(known, reign_until);
                let (key, session, ttl) = (before.key.clone(), before.session, before.ttl);
                let after = Ticket::from_bytes(&before.into_bytes()).unwrap();
                assert_eq!((after.key, after.session, after.ttl), (key, session, ttl));
                assert_eq!((after.known, after.reign_until), (known, reign_until));
            }
        }
    }

    #[test]
    fn what_is_no_ticket() {
        let bytes = ticket(Some(Term::FIRST), None).into_bytes();
        for length in 0..=41 {
            assert!(Ticket::from_bytes(&bytes[..length]).is_none(), "{length} bytes");
        }
        let with = |at: usize, byte| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Ticket::from_bytes(&bytes)
        };
        assert!(with(0, LAYOUT + 1).is_none(), "another layout");
        assert!(with(25, 0xff).is_none(), "no such term");
        assert!(with(41, 0xff).is_none(), "no text");
        assert!(with(41, b'\n').is_none(), "no key");
    }

    /// A ticket is a secret: nothing prints its session.
    #[test]
    fn a_ticket_is_not_printed() {
        let session = Session::from_bits(424_242);
        assert!(!alloc::format!("{:?}", Ticket { session, ..ticket(None, None) }).contains("424242"));
    }
}
