//! Many requests at once: who may ask what, and which objects to ask. What is refused is refused in its place.

use lessor::Key;
use lessor::storage::Request;
use lessor_wire::{Problem, WireList, WireRequest};
use serde::Serialize;

use crate::caller::{Caller, Role};
use crate::json::Unread;
use crate::limits::{ASKS, LISTED, Ttl};
use crate::problem::Kind;
use crate::route::Layout;

/// What becomes of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct Batch {
    /// Where each answer comes from.
    pub places: Vec<Place>,
    /// Which objects to ask what, each request with the place of its answer.
    pub objects: Vec<(String, Vec<(usize, WireRequest)>)>,
    /// Who lists, if it lists.
    pub looker: String,
}

/// Where an answer comes from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Place {
    /// From the object that is asked for this place.
    Object,
    /// From who knows all keys.
    List(WireList),
    /// Nobody is asked.
    Failed(Problem),
}

impl Batch {
    /// The requests of this caller.
    pub(crate) fn of(
        caller: &Caller,
        requests: Vec<Result<WireRequest, Unread>>,
        ttl: Ttl,
        layout: Layout,
    ) -> Result<Self, Problem> {
        if requests.len() > ASKS {
            return Err(Kind::TooLarge.because(format!("{} requests, allowed are {ASKS}", requests.len())));
        }
        let mut admission = Admission { caller, ttl, keys: Vec::new(), listed: 0 };
        let (mut places, mut named) = (Vec::with_capacity(requests.len()), Vec::new());
        for (place, request) in requests.into_iter().enumerate() {
            let request = match request {
                Ok(request) => Request::from(request),
                Err(error) => {
                    let detail = format!("the request is not as it should be: {error}");
                    places.push(Place::Failed(Kind::Invalid.because(detail)));
                    continue;
                }
            };
            places.push(match (admission.admit(&request), request) {
                (Err(problem), _) => Place::Failed(problem),
                (Ok(()), Request::List(list)) => Place::List(list.into()),
                (Ok(()), request) => {
                    let object = request.key().map(|key| layout.object(key)).unwrap_or_default();
                    named.push((object, (place, wire(request)?)));
                    Place::Object
                }
            });
        }
        let looker = if admission.listed > 0 { caller.looking() } else { String::new() };
        Ok(Self { places, objects: layout.grouped(named), looker })
    }
}

/// Admits the requests of a batch, one after the other.
struct Admission<'a> {
    caller: &'a Caller,
    ttl: Ttl,
    /// At most so many that looking each up takes no time.
    keys: Vec<Key>,
    /// How many keys its lists may show.
    listed: usize,
}

impl Admission<'_> {
    fn admit(&mut self, request: &Request) -> Result<(), Problem> {
        if let Request::List(list) = request {
            self.caller.may_within(Role::Read, &list.prefix)?;
            self.listed += list.page_size();
            if self.listed > LISTED {
                let detail = format!("the lists of the batch ask for {} keys, allowed are {LISTED}", self.listed);
                return Err(Kind::TooLarge.because(detail));
            }
            return Ok(());
        }
        let key = request.key().ok_or_else(|| Kind::Invalid.because("the request names no key"))?;
        self.caller.may(role(request), key)?;
        self.ttl.check(request)?;
        if self.keys.contains(key) {
            return Err(Kind::Invalid.because(format!("key {key} occurs more than once in the batch")));
        }
        self.keys.push(key.clone());
        Ok(())
    }
}

/// What a request takes. Whatever is not known here takes most.
const fn role(request: &Request) -> Role {
    match request {
        Request::Get(_) | Request::List(_) => Role::Read,
        Request::Acquire(_) | Request::Renew(_) | Request::Release(_) => Role::Candidate,
        _ => Role::Admin,
    }
}

/// The request as an object is asked it.
pub(crate) fn wire(request: Request) -> Result<WireRequest, Problem> {
    WireRequest::try_from(request).map_err(|error| Kind::Invalid.because(error.get_ref().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use lessor::storage::{Claim, Get, List, Release, Revoke, Session};
    use lessor::{Id, Key};

    use crate::caller::Limits;

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    fn batch(role: Role, requests: Vec<Request>) -> Result<Batch, Problem> {
        let caller = Caller {
            name: "n".into(),
            role,
            prefixes: Some(vec!["a".into()]),
            limits: Limits::default(),
            ends_ms: None,
        };
        let requests = requests.into_iter().map(|request| Ok(request.try_into().unwrap())).collect();
        Batch::of(&caller, requests, Ttl::default(), Layout::PerKey)
    }

    /// The status of each place: 0 where an object is asked, 1 for a list.
    fn statuses(role: Role, requests: Vec<Request>) -> Vec<u16> {
        let status = |place: &Place| match place {
            Place::Object => 0,
            Place::List(_) => 1,
            Place::Failed(problem) => problem.status,
        };
        batch(role, requests).unwrap().places.iter().map(status).collect()
    }

    fn claim(name: &str, ttl_ms: u64) -> Request {
        let ttl = Duration::from_millis(ttl_ms);
        Claim::new(key(name), Id::new("id").unwrap(), Session::from_bits(1), ttl).into()
    }

    /// What is refused is no verdict on the rest.
    #[test]
    fn refused_in_its_place() {
        let all = || {
            vec![
                Get::new(key("a1")).into(),
                claim("a2", 30_000),
                claim("a3", 1),
                claim("b", 30_000),
                Release::new(key("a1"), Session::from_bits(1)).into(),
                Revoke::new(key("a4")).into(),
                List::new().prefix("a").limit(600).into(),
                List::new().prefix("a").limit(401).into(),
                List::new().into(),
            ]
        };
        assert_eq!(statuses(Role::Read, all()), [0, 403, 403, 403, 403, 403, 1, 413, 403]);
        assert_eq!(statuses(Role::Candidate, all()), [0, 0, 400, 403, 400, 403, 1, 413, 403]);
        assert_eq!(statuses(Role::Admin, all()), [0, 0, 400, 403, 400, 0, 1, 413, 403]);
    }

    #[test]
    fn each_object_once() {
        let gets = ["a1", "a2"].map(|name| Get::new(key(name)).into());
        let batch = batch(Role::Read, gets.into()).unwrap();
        let places = batch.objects.iter().map(|(name, asked)| (name.as_str(), asked.first().unwrap().0));
        assert_eq!(places.collect::<Vec<_>>(), [("key/a1", 0), ("key/a2", 1)]);
    }

    #[test]
    fn not_too_many() {
        let gets = |count| (0..count).map(|number| Get::new(key(&format!("a{number}"))).into()).collect();
        assert!(batch(Role::Read, gets(ASKS)).is_ok());
        assert_eq!(batch(Role::Read, gets(ASKS + 1)).unwrap_err().status, 413);
    }
}
