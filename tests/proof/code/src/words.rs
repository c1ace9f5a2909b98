//! How records and requests are written: numbers in a line.

use core::time::Duration;

use lessor::storage::{Acquired, Record, Renewed, Reply, Request, Session, Takeover, Version};
use lessor::{Id, Key, Term};

/// Of a released record; of a release that names nobody. (Sessions here are small; [`Session::NOBODY`] is 0.)
const NONE: i64 = -1;

pub(crate) fn key() -> Key {
    Key::new("k").expect("a key")
}

/// The key of a slot of it.
pub(crate) fn key_of(slot: Option<u16>) -> Key {
    slot.map_or_else(key, |slot| Key::new(format!("k/slot/{slot}")).expect("a key"))
}

/// Of which slot a request is. Without slots: the first.
pub(crate) fn slot(request: &Request) -> u16 {
    let number = request.key().and_then(|key| key.as_str().strip_prefix("k/slot/"));
    number.map_or(0, |number| number.parse().expect("a slot's number"))
}

pub(crate) fn id(number: u64) -> Id {
    Id::new(number.to_string()).expect("an id")
}

pub(crate) fn session(number: i64) -> Option<Session> {
    u128::try_from(number).ok().map(Session::from_bits)
}

/// session, id, term, version, ttl, expires. Empty: there is none.
pub(crate) fn record(record: Option<&Record>) -> String {
    let Some(record) = record else { return "-".into() };
    let session = record.session.map_or_else(|| NONE.to_string(), |session| session.to_bits().to_string());
    let Record { id, term, version, ttl_ms, expires_ms, .. } = record;
    format!("{session} {} {} {} {ttl_ms} {expires_ms}", id.as_str(), term.get(), version.get())
}

/// From the numbers of [`record`].
pub(crate) fn restored(holder: i64, who: u64, term: u64, version: u64, ttl_ms: u64, expires_ms: u64) -> Record {
    let term = Term::new(term).expect("a term");
    Record::restore(session(holder), id(who), term, Version::new(version), ttl_ms, expires_ms)
}

fn ms(duration: Duration) -> u128 {
    // As the storage counts: rounded up.
    duration.as_nanos().div_ceil(1_000_000)
}

/// The kind, then what the model knows of it.
pub(crate) fn request(request: &Request) -> String {
    match request {
        Request::Acquire(claim) => {
            let take = match claim.takeover {
                Takeover::Expired => 0,
                Takeover::Unchanged(version) => version.get() as i64,
                _ => -1,
            };
            let after = claim.after.map_or(0, Term::get);
            let (session, ttl) = (claim.session.to_bits(), ms(claim.ttl));
            format!("acquire {session} {} {ttl} {after} {take}", claim.id.as_str())
        }
        Request::Renew(renewal) => {
            let (session, ttl) = (renewal.session.to_bits(), ms(renewal.ttl));
            format!("renew {session} {} {ttl} {}", renewal.id.as_str(), renewal.term.get())
        }
        Request::Release(release) => {
            let session = release.session.to_bits();
            match &release.successor {
                Some(next) => format!("release {session} {} {}", next.id.as_str(), ms(next.within)),
                None => format!("release {session} {NONE} 0"),
            }
        }
        Request::Revoke(revoke) => format!("revoke {} {}", revoke.term.map_or(0, Term::get), u8::from(revoke.now)),
        _ => "get".into(),
    }
}

/// The kind; with a grant its term.
pub(crate) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Acquired(Acquired::Granted { term, .. }) => format!("granted {}", term.get()),
        Reply::Acquired(Acquired::Refused { .. }) => "refused".into(),
        Reply::Renewed(Renewed::Extended { .. }) => "extended".into(),
        Reply::Renewed(Renewed::Lost { .. }) => "lost".into(),
        Reply::Released => "released".into(),
        Reply::Revoked(Some(_)) => "revoked".into(),
        Reply::Revoked(None) => "nothing".into(),
        _ => "got".into(),
    }
}
