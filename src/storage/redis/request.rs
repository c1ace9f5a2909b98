use core::time::Duration;

use ::redis::Cmd;

use super::record::{Told, hex, tail};
use super::scripts::{Script, Scripts};
use crate::lease::{Key, Lease, Session, Term, Version};
use crate::record::{Acquired, Claim, Record, Renewed, Takeover, whole_ms};

/// One of the operations, for any number of keys in one call of a script.
pub(super) trait Request: Sync {
    type Answer: Send;

    fn key(&self) -> &Key;

    /// For how long it asks, if it does.
    fn ttl(&self) -> Option<Duration> {
        None
    }

    fn script(scripts: &Scripts) -> &Script;

    /// The script's arguments for this key.
    fn arguments(&self, command: &mut Cmd);

    /// `None`: the script does not answer like this.
    fn answer(&self, told: Told) -> Option<Self::Answer>;
}

/// 1 ms at least: no ttl at all would be no lease.
fn ttl(claim: &Claim) -> u64 {
    whole_ms(claim.ttl).max(1)
}

fn after_ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Request for Claim {
    type Answer = Acquired;

    fn key(&self) -> &Key {
        &self.key
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.ttl)
    }

    fn script(scripts: &Scripts) -> &Script {
        &scripts.acquire
    }

    fn arguments(&self, command: &mut Cmd) {
        command.arg(tail(self)).arg(ttl(self)).arg(self.after.map_or(0, Term::get));
        match self.takeover {
            Takeover::Expired => command.arg("expired"),
            Takeover::Unchanged(version) => command.arg(version.get()),
            Takeover::ReleasedOnly => command.arg(""),
        };
    }

    fn answer(&self, told: Told) -> Option<Acquired> {
        match told {
            Told::Done(numbers) => match numbers[..] {
                [term, version] => Some(Acquired::Granted { term: Term::new(term)?, version: Version::new(version) }),
                _ => None,
            },
            Told::Frozen { left_ms } => Some(Acquired::Held { lease: None, retry_after: after_ms(left_ms) }),
            Told::Seen { record, now_ms } => {
                let verdict = Record::acquire(record.as_ref(), self, now_ms, Term::FIRST);
                // The script and the record agree, or the claimant asks again.
                Some(match verdict.write {
                    None => verdict.answer,
                    Some(_) => {
                        let lease = record.map(|record| record.lease(now_ms));
                        Acquired::Held { lease, retry_after: Duration::ZERO }
                    }
                })
            }
        }
    }
}

impl Request for (Claim, Term) {
    type Answer = Renewed;

    fn key(&self) -> &Key {
        &self.0.key
    }

    fn ttl(&self) -> Option<Duration> {
        Some(self.0.ttl)
    }

    fn script(scripts: &Scripts) -> &Script {
        &scripts.renew
    }

    fn arguments(&self, command: &mut Cmd) {
        command.arg(tail(&self.0)).arg(ttl(&self.0)).arg(self.1.get());
    }

    fn answer(&self, told: Told) -> Option<Renewed> {
        match told {
            Told::Done(numbers) => match numbers[..] {
                [version] => Some(Renewed::Extended { version: Version::new(version) }),
                _ => None,
            },
            Told::Frozen { .. } => Some(Renewed::Lost(None)),
            Told::Seen { record, now_ms } => Some(Renewed::Lost(record.map(|record| record.lease(now_ms)))),
        }
    }
}

impl Request for (Key, Session) {
    type Answer = ();

    fn key(&self) -> &Key {
        &self.0
    }

    fn script(scripts: &Scripts) -> &Script {
        &scripts.release
    }

    fn arguments(&self, command: &mut Cmd) {
        command.arg(hex(self.1));
    }

    fn answer(&self, told: Told) -> Option<()> {
        matches!(told, Told::Done(_)).then_some(())
    }
}

impl Request for Key {
    type Answer = Option<Lease>;

    fn key(&self) -> &Key {
        self
    }

    fn script(scripts: &Scripts) -> &Script {
        &scripts.get
    }

    fn arguments(&self, _: &mut Cmd) {}

    fn answer(&self, told: Told) -> Option<Option<Lease>> {
        match told {
            Told::Seen { record, now_ms } => Some(record.map(|record| record.lease(now_ms))),
            Told::Done(_) | Told::Frozen { .. } => None,
        }
    }
}
