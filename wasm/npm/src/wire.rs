//! Requests and replies as rows. `js/wire.js` makes of them what the lease service's API has in a batch, and the other way round.

use core::time::Duration;

use js_sys::Array;
use lessor::storage::{
    Acquired, Claim, Get, Release, Renewal, Renewed, Reply, Request, Revoke, Session, Successor, Takeover, Version,
};
use lessor::{Id, Key, Lease, Term, Value};
use wasm_bindgen::prelude::*;

use crate::row::{Row, duration, ms, number, refused, row, text};

/// Rounded up to whole ms: a ttl is never shortened on its way.
fn up(duration: Duration) -> f64 {
    duration.as_nanos().div_ceil(1_000_000) as f64
}

fn term(term: Term) -> f64 {
    term.get() as f64
}

fn hex(session: Session) -> String {
    let bits = session.to_bits();
    (0..32).rev().filter_map(|place| char::from_digit((bits >> (4 * place)) as u32 & 15, 16)).collect()
}

// operation, key, id, session, ttl_ms, value, term (or after), takeover, within_ms, now
pub(crate) fn written(request: &Request) -> Array {
    let none = || JsValue::NULL;
    let claimed =
        |operation: &str, key: &Key, id: &Id, session, ttl, value: Option<&Value>, known: Option<Term>, takeover| {
            let (id, value) = (text(Some(id.as_str())), text(value.map(Value::as_str)));
            let session = hex(session).into();
            row(&[
                operation.into(),
                key.as_str().into(),
                id,
                session,
                up(ttl).into(),
                value,
                number(known.map(term)),
                takeover,
            ])
        };
    match request {
        Request::Acquire(claim) => {
            let takeover = match claim.takeover {
                Takeover::Unchanged(version) => (version.get() as f64).into(),
                Takeover::ReleasedOnly => "released_only".into(),
                _ => none(),
            };
            let Claim { key, id, session, ttl, value, after, .. } = claim;
            claimed("acquire", key, id, *session, *ttl, value.as_ref(), *after, takeover)
        }
        Request::Renew(Renewal { key, id, session, ttl, value, term, .. }) => {
            claimed("renew", key, id, *session, *ttl, value.as_ref(), Some(*term), none())
        }
        Request::Release(Release { key, session, successor, .. }) => {
            let id = text(successor.as_ref().map(|successor| successor.id.as_str()));
            let within = number(successor.as_ref().map(|successor| up(successor.within)));
            row(&[
                "release".into(),
                key.as_str().into(),
                id,
                hex(*session).into(),
                none(),
                none(),
                none(),
                none(),
                within,
            ])
        }
        Request::Get(Get { key, .. }) => row(&["get".into(), key.as_str().into()]),
        Request::Revoke(Revoke { key, term: of, now, .. }) => {
            let of = number(of.map(term));
            let key = key.as_str().into();
            row(&["revoke".into(), key, none(), none(), none(), none(), of, none(), none(), (*now).into()])
        }
        // Candidates list nothing.
        _ => row(&["list".into()]),
    }
}

pub(crate) fn request(asked: &Array) -> Result<Request, JsValue> {
    let mut asked = Row::new(asked);
    let operation = asked.known();
    let key = Key::new(asked.known()).map_err(|error| refused(&error))?;
    // Of a release: the successor's, if there is one.
    let id = asked.text().map(Id::new).transpose().map_err(|error| refused(&error))?;
    let session = Session::from_bits(u128::from_str_radix(&asked.known(), 16).unwrap_or_default());
    let ttl = asked.ms().unwrap_or_default();
    let value = asked.text().map(Value::new).transpose().map_err(|error| refused(&error))?;
    let known = asked.whole().and_then(Term::new);
    let takeover = asked.next();
    let within = asked.ms().unwrap_or_default();
    let now = asked.next().is_truthy();
    let missing = |name: &&str| refused(&["missing field `", name, "`"].concat());
    let claimant = || id.clone().ok_or_else(|| missing(&"id"));
    Ok(match operation.as_str() {
        "acquire" => {
            let takeover = match takeover.as_f64() {
                Some(version) => Takeover::Unchanged(Version::new(version as u64)),
                None if takeover.is_string() => Takeover::ReleasedOnly,
                None => Takeover::Expired,
            };
            Claim::new(key, claimant()?, session, ttl).value(value).after(known).takeover(takeover).into()
        }
        "renew" => {
            let term = known.ok_or_else(|| missing(&"term"))?;
            Renewal::new(key, claimant()?, session, term, ttl).value(value).into()
        }
        "release" => Release::new(key, session).successor(id.map(|id| Successor::new(id, within))).into(),
        "revoke" => Revoke::new(key).term(known).now(now).into(),
        _ => Get::new(key).into(),
    })
}

// id, term, version, ttl_ms, time_left_ms, age_ms, value
pub(crate) fn lease(lease: &Lease) -> JsValue {
    let Lease { id, term: granted, version, ttl, time_left, age, value, .. } = lease;
    let (id, value) = (text(id.as_ref().map(Id::as_str)), text(value.as_ref().map(Value::as_str)));
    let numbers = [Some(term(*granted)), Some(version.get() as f64), Some(ms(*ttl)), Some(ms(*time_left)), age.map(ms)];
    let [granted, version, ttl, left, age] = numbers.map(number);
    row(&[id, granted, version, ttl, left, age, value]).into()
}

fn some_lease(shown: Option<&Lease>) -> JsValue {
    shown.map_or(JsValue::NULL, lease)
}

pub(crate) fn read_lease(told: &JsValue) -> Option<Lease> {
    let row = told.dyn_ref::<Array>()?;
    let mut row = Row::new(row);
    let id = row.text();
    let (term, version) = (Term::new(row.whole()?)?, Version::new(row.whole()?));
    let mut lease = Lease::new(term, version, row.ms()?);
    lease.id = id.and_then(|id| Id::new(id).ok());
    lease.time_left = row.ms()?;
    lease.age = row.ms();
    lease.value = row.text().and_then(|value| Value::new(value).ok());
    Some(lease)
}

// kind, term, version, retry_after_ms, lease
pub(crate) fn reply(reply: &Reply) -> Array {
    let none = || JsValue::NULL;
    match reply {
        Reply::Acquired(Acquired::Granted { term: granted, version, .. }) => {
            row(&["granted".into(), term(*granted).into(), (version.get() as f64).into()])
        }
        Reply::Acquired(Acquired::Refused { lease, retry_after, .. }) => {
            row(&["refused".into(), none(), none(), up(*retry_after).into(), some_lease(lease.as_ref())])
        }
        Reply::Renewed(Renewed::Extended { version, .. }) => {
            row(&["extended".into(), none(), (version.get() as f64).into()])
        }
        Reply::Renewed(Renewed::Lost { lease, .. }) => {
            row(&["lost".into(), none(), none(), none(), some_lease(lease.as_ref())])
        }
        Reply::Released => row(&["released".into()]),
        // A revocation has a term of its own.
        Reply::Revoked(lease) => {
            let own = lease.as_ref().map(|lease| term(lease.term.next().unwrap_or(lease.term)));
            row(&["revoked".into(), number(own), none(), none(), some_lease(lease.as_ref())])
        }
        Reply::Got(lease) => row(&["lease".into(), none(), none(), none(), some_lease(lease.as_ref())]),
        _ => row(&["listed".into()]),
    }
}

/// `None`: a number in it is none.
pub(crate) fn replied(told: &Array) -> Option<Reply> {
    let mut told = Row::new(told);
    let kind = told.known();
    let (term, version) = (told.whole().and_then(Term::new), told.whole().map(Version::new));
    let retry_after = told.number();
    let lease = read_lease(&told.next());
    Some(match kind.as_str() {
        "granted" => Acquired::granted(term?, version?).into(),
        "refused" => Acquired::refused(lease, duration(retry_after?)?).into(),
        "extended" => Renewed::extended(version?).into(),
        "lost" => Renewed::lost(lease).into(),
        "released" => Reply::Released,
        "revoked" => Reply::Revoked(lease),
        _ => Reply::Got(lease),
    })
}
