//! How an election begins: anew, from what another instance left, or without an id, to look only. And what is left of one for the next.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::outbox::Outbox;
use super::pace::Pace;
use super::phase::Phase;
use super::status::Known;
use super::{Election, NumberedValue, Vacancy};
use crate::config::{Config, ConfigError};
use crate::profile::Profile;
use crate::storage::Session;
use crate::text::{Id, Key};
use crate::ticket::Ticket;
use crate::time::Instant;

impl Election {
    /// A candidate, whose first claim is due at once.
    ///
    /// `session` has to be unpredictable and nobody else's, ever: it is all that proves a leader, and two elections with one session
    /// both lead. That goes for a clone of an election too: clones are for tests. `jitter` only has to differ between
    /// candidates, it varies their pauses. Many elections may share one configuration.
    ///
    /// # Errors
    /// [`ConfigError`] if the durations do not fit together.
    pub fn new(
        key: Key,
        id: Id,
        config: impl Into<Arc<Config>>,
        session: Session,
        jitter: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        Self::build(key, Some(id), config.into(), Some(session), jitter, now)
    }

    /// A candidate that goes on with the session of an instance that went to sleep, for the same key.
    ///
    /// With another ttl than that instance had, it draws a session of its own ([`Output::DrawSession`](super::Output::DrawSession)), and
    /// waits for the lease of the old one to end.
    ///
    /// # Errors
    /// [`ConfigError`] if the durations do not fit together.
    pub fn resume(
        id: Id,
        config: impl Into<Arc<Config>>,
        ticket: Ticket,
        jitter: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let config = config.into();
        if config.ttl != ticket.ttl {
            // What lingers of the other ttl would be the session's, too: a renewal of the shorter one, applied late, would leave a
            // lease that is watched for less time than its leader leads.
            let begun = Self::build(ticket.key, Some(id), config, None, jitter, now)?;
            return Ok(Self { known: ticket.known, ..begun });
        }
        let resumed = Self::build(ticket.key, Some(id), config, Some(ticket.session), jitter, now)?;
        let to_continue = ticket.known.zip(ticket.reign_until).filter(|_| ticket.continues).map(Box::new);
        // Its session may hold the lease.
        Ok(Self { known: ticket.known, to_continue, may_hold: true, ..resumed })
    }

    /// Goes to sleep: what is left is the session, for the next instance to [go on with](Self::resume).
    ///
    /// `None` if the session must not go on: a request is in flight, a hand-over is under way, or the candidate stops.
    #[must_use]
    pub fn into_ticket(self) -> Option<Ticket> {
        if self.in_flight.is_some() || self.is_handing_over() || self.stopping {
            return None;
        }
        // A reign that this instance was to go on with, and did not come to, may go on in the next one.
        let reign = self
            .phase
            .reign()
            .map(|reign| (reign.term, reign.deadline))
            .or_else(|| self.to_continue.as_deref().copied());
        let reign_until = reign.map(|(_, until)| until);
        let key = self.slot_key().clone();
        let (session, ttl) = (self.session?, self.config.ttl);
        Some(Ticket { key, session, ttl, known: self.known, reign_until, continues: false })
    }

    /// An observer: it looks at the lease and never claims.
    ///
    /// # Errors
    /// [`ConfigError`] if the durations do not fit together.
    pub fn observer(key: Key, config: impl Into<Arc<Config>>, jitter: u64, now: Instant) -> Result<Self, ConfigError> {
        Self::build(key, None, config.into(), None, jitter, now)
    }

    fn build(
        key: Key,
        id: Option<Id>,
        config: Arc<Config>,
        session: Option<Session>,
        jitter: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let profile = Arc::new(Profile::new(id, config.clone()));
        let phase = if profile.id.is_some() { Phase::Following } else { Phase::Observing };
        Ok(Self {
            key,
            places: None,
            config,
            profile,
            pace: Pace::new(jitter),
            is_paced: false,
            now,
            phase,
            stopping: false,
            session,
            may_hold: false,
            value: NumberedValue::default(),
            stored: 0,
            known: None,
            to_continue: None,
            leader: Known::Nobody,
            sighting: None,
            claim_delay: None,
            vacancy: Vacancy::Unseen,
            in_flight: None,
            last_id: 0,
            next_at: now,
            woken: false,
            looks_again: false,
            failures: 0,
            last_error: None,
            last_success: None,
            events: Outbox::default(),
        })
    }

    /// Whoever drives it says when to renew, with [`Input::Renew`](super::Input::Renew), at least once per renew interval and a tenth.
    ///
    /// For many elections that are driven together: their renewals then travel together. One that is not told renews by
    /// itself after that time.
    #[must_use]
    pub fn paced(mut self) -> Self {
        self.is_paced = true;
        self
    }

    /// Its id and its configuration are those of this profile: from here on they are shared.
    pub(crate) fn sharing(mut self, profile: Arc<Profile>) -> Self {
        self.config = profile.config.clone();
        self.profile = profile;
        self
    }
}
