//! What is asked of the storage, as it takes it in.

use core::time::Duration;

use lessor::storage::{Claim, Release, Renewal, Session, Successor, Takeover};
use lessor::{Id, Key, Value};

use crate::fault::Fault;

/// A key as the storage takes it.
pub(crate) fn key(fault: Option<Fault>, key: &Key) -> Key {
    let text = key.as_str();
    let bent = match fault {
        Some(Fault::KeyIsFolded) => text.to_lowercase(),
        Some(Fault::KeyIsCut) => text.chars().take(250).collect(),
        Some(Fault::KeyIsTrimmed) => text.trim().to_owned(),
        Some(Fault::KeyIsUnescaped) => text.replace("%20", " "),
        _ => return key.clone(),
    };
    Key::new(bent).unwrap_or_else(|_| key.clone())
}

/// A session as the storage takes it.
pub(crate) fn session(fault: Option<Fault>, session: Session) -> Session {
    let bits = session.to_bits();
    match fault {
        Some(Fault::SessionIsCut) => Session::from_bits(bits & u128::from(u64::MAX)),
        Some(Fault::SessionIsAFloat) => Session::from_bits(bits as f64 as u128),
        _ => session,
    }
}

fn ttl(fault: Option<Fault>, ttl: Duration) -> Duration {
    match fault {
        Some(Fault::TtlInSeconds) => Duration::from_secs(ttl.as_nanos().div_ceil(1_000_000_000) as u64),
        Some(Fault::TtlRoundedDown) => Duration::from_millis(ttl.as_millis() as u64),
        Some(Fault::TtlCapped) => ttl.min(Duration::from_secs(3600)),
        _ => ttl,
    }
}

fn value(fault: Option<Fault>, value: Option<Value>) -> Option<Value> {
    let cut = |value: Value| Value::new(value.as_str().chars().take(1000).collect::<String>()).unwrap();
    match fault {
        Some(Fault::ValueIsLost) => None,
        Some(Fault::EmptyValueIsNone) => value.filter(|value| !value.as_str().is_empty()),
        Some(Fault::ValueIsCut) => value.map(cut),
        _ => value,
    }
}

fn id(fault: Option<Fault>, id: Id) -> Id {
    if fault == Some(Fault::IdIsTrimmed) { Id::new(id.as_str().trim()).unwrap_or(id) } else { id }
}

/// A release as the storage takes it.
pub(crate) fn release(fault: Option<Fault>, release: &Release) -> Release {
    let successor = release.successor.clone().filter(|_| fault != Some(Fault::SuccessorIsIgnored));
    let taken = |Successor { id: named, within, .. }| match fault {
        Some(Fault::ReservationIsRoundedDown) => {
            Successor::new(named, Duration::from_millis(within.as_millis() as u64))
        }
        Some(Fault::ReservationEndsEarly) => Successor::new(named, within * 4 / 5),
        Some(Fault::ReservationOfNoTimeBinds) if within.is_zero() => Successor::new(named, Duration::from_secs(60)),
        _ => Successor::new(id(fault, named), within),
    };
    Release::new(key(fault, &release.key), session(fault, release.session)).successor(successor.map(taken))
}

/// A claim as the storage takes it.
pub(crate) fn claim(fault: Option<Fault>, claim: Claim) -> Claim {
    let takeover = match fault {
        Some(Fault::UnchangedIsRefused) if claim.takeover != Takeover::Expired => Takeover::ReleasedOnly,
        Some(Fault::GuardIsIgnored) => Takeover::Expired,
        Some(Fault::ReleasedOnlyTakesExpired) if claim.takeover == Takeover::ReleasedOnly => Takeover::Expired,
        _ => claim.takeover,
    };
    Claim::new(key(fault, &claim.key), id(fault, claim.id), session(fault, claim.session), ttl(fault, claim.ttl))
        .value(value(fault, claim.value))
        .after(claim.after)
        .takeover(takeover)
}

/// A renewal as the storage takes it.
pub(crate) fn renewal(fault: Option<Fault>, renewal: Renewal) -> Renewal {
    let (key, id, session) = (key(fault, &renewal.key), id(fault, renewal.id), session(fault, renewal.session));
    Renewal::new(key, id, session, renewal.term, ttl(fault, renewal.ttl)).value(value(fault, renewal.value))
}
