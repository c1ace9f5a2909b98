//! Many leases, a page at a time.

use alloc::string::String;
use alloc::vec::Vec;

use lessor::storage::{Entry, List, Page};
use lessor::{Key, Lease};
use serde::{Deserialize, Serialize};

/// A [`List`] as JSON: `{"prefix"?, "start"?, "limit"?}`.
///
/// ```
/// use lessor::storage::List;
/// use lessor_wire::WireList;
///
/// let list: List = serde_json::from_str::<WireList>(r#"{"prefix": "team-a/"}"#)?.into();
/// assert_eq!(list, List::new().prefix("team-a/"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WireList {
    #[serde(skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Key>,
    limit: u64,
}

/// As [`List::new`].
impl Default for WireList {
    fn default() -> Self {
        List::new().into()
    }
}

impl From<List> for WireList {
    fn from(list: List) -> Self {
        // What is beyond the most means the same; and JavaScript reads no number as large as it may be.
        let limit = u64::try_from(list.page_size()).unwrap_or(u64::MAX);
        Self { prefix: list.prefix, start: list.start, limit }
    }
}

impl From<WireList> for List {
    fn from(list: WireList) -> Self {
        let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
        Self::new().prefix(list.prefix).start(list.start).limit(limit)
    }
}

/// A [`Page`] as JSON: `{"keys": [{"key", "lease"}, ..], "after", "next"}`, what `GET /v1/keys` answers.
///
/// `next` is the first key of the next page, `after` the last one of this page; both are null where there is no next one.
///
/// ```
/// use lessor::storage::Page;
/// use lessor_wire::WirePage;
///
/// let page: Page = serde_json::from_str::<WirePage>(r#"{"keys": [], "after": null, "next": null}"#)?.into();
/// assert_eq!(page, Page::default());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePage {
    keys: Vec<Listed>,
    #[serde(default)]
    after: Option<Key>,
    next: Option<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    key: Key,
    /// A service may know of keys whose lease is gone.
    lease: Option<Lease>,
}

impl From<Page> for WirePage {
    fn from(page: Page) -> Self {
        let last = page.entries.last().map(|entry| entry.key.clone());
        let listed = |Entry { key, lease, .. }| Listed { key, lease: Some(lease) };
        Self {
            keys: page.entries.into_iter().map(listed).collect(),
            after: last.filter(|_| page.next.is_some()),
            next: page.next,
        }
    }
}

impl From<WirePage> for Page {
    fn from(page: WirePage) -> Self {
        let entry = |Listed { key, lease }| lease.map(|lease| Entry::new(key, lease));
        Self::new(page.keys.into_iter().filter_map(entry).collect(), page.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use core::time::Duration;
    use lessor::Term;
    use lessor::storage::Version;

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    #[test]
    fn a_list_there_and_back() {
        let list = List::new().prefix("a").start(Some(key("ab"))).limit(7);
        let written = serde_json::to_string(&WireList::from(list.clone())).unwrap();
        assert_eq!(written, r#"{"prefix":"a","start":"ab","limit":7}"#);
        let read = |text: &str| serde_json::from_str::<WireList>(text).map(Into::<List>::into);
        assert_eq!(read(&written).unwrap(), list);
        assert_eq!(read("{}").unwrap(), List::new());
        assert!(read(r#"{"surprise": 1}"#).is_err());
        let all = serde_json::to_string(&WireList::from(List::new().limit(usize::MAX))).unwrap();
        assert_eq!(all, r#"{"limit":1000}"#);
    }

    #[test]
    fn a_page_there_and_back() {
        let lease = Lease::new(Term::FIRST, Version::FIRST, Duration::from_secs(1));
        let page = Page::new([Entry::new(key("a"), lease)].into(), Some(key("b")));
        let written = serde_json::to_string(&WirePage::from(page.clone())).unwrap();
        let lease = r#"{"id":null,"term":1,"version":1,"ttl_ms":1000,"time_left_ms":0,"age_ms":null,"value":null}"#;
        assert_eq!(written, format!(r#"{{"keys":[{{"key":"a","lease":{lease}}}],"after":"a","next":"b"}}"#));
        assert_eq!(Page::from(serde_json::from_str::<WirePage>(&written).unwrap()), page);
    }

    /// A key that has no lease any more is none of a page's.
    #[test]
    fn what_is_gone_is_not_listed() {
        let page = serde_json::from_str::<WirePage>(r#"{"keys": [{"key": "a", "lease": null}], "next": null}"#);
        assert_eq!(Page::from(page.unwrap()), Page::default());
    }
}
