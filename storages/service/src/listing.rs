//! Which keys to list, as the query of a URL says it.

use lessor::Key;
use lessor::storage::List;
use lessor_wire::Problem;

use crate::access::percent_decoded;
use crate::limits::LISTED;
use crate::problem::Kind;

/// What `GET /v1/keys` asks for.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Which keys.
    pub list: List,
    /// The key before the first one.
    pub after: Option<Key>,
}

impl Listing {
    pub(crate) fn read(query: &str) -> Result<Self, Problem> {
        let mut listing = Self { list: List::new().limit(LISTED), after: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "prefix" => listing.list.prefix = text(name, value)?,
                "start" => listing.list.start = key(name, value)?,
                "after" => listing.after = key(name, value)?,
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LISTED).contains(limit));
                    let refused = || Kind::Invalid.because(format!("limit is {value:?}, allowed is 1 to {LISTED}"));
                    listing.list.limit = limit.ok_or_else(refused)?;
                }
                _ => {
                    let detail = format!("the query has {name:?}, allowed are prefix, start, after, limit");
                    return Err(Kind::Invalid.because(detail));
                }
            }
        }
        Ok(listing)
    }
}

fn text(name: &str, value: &str) -> Result<String, Problem> {
    percent_decoded(value).ok_or_else(|| Kind::Invalid.because(format!("{name} is not UTF-8, percent-encoded")))
}

/// Nothing is no key, and no limit.
fn key(name: &str, value: &str) -> Result<Option<Key>, Problem> {
    let key = Some(text(name, value)?).filter(|key| !key.is_empty()).map(Key::new);
    key.transpose().map_err(|error| Kind::Invalid.because(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_a_query() {
        let key = |name| Some(Key::new(name).unwrap());
        let read = |query| Listing::read(query).unwrap();
        let all = List::new().limit(LISTED);
        assert_eq!(read(""), Listing { list: all.clone(), after: None });
        assert_eq!(read("prefix=&after="), read(""));
        let list = List::new().prefix("team-a/").start(key("team-a/b")).limit(7);
        assert_eq!(read("prefix=team-a%2F&start=team-a%2Fb&&limit=7"), Listing { list, after: None });
        assert_eq!(read("after=b"), Listing { list: all, after: key("b") });
        for bad in ["limit=0", "limit=1001", "limit=x", "order=desc", "prefix=%ff", "start=%00", "after=x%0A9999"] {
            assert_eq!(Listing::read(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
