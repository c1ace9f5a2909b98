//! A storage's lists, bent by one fault.

use core::time::Duration;

use lessor::storage::{List, Page};
use lessor::{Key, Lease, StorageError};

use crate::fault::Fault;
use crate::judge;

/// The page of these leases, which come in the order of the bytes of their keys.
pub(crate) fn page(fault: Option<Fault>, list: &List, leases: Vec<(Key, Lease)>) -> Result<Page, StorageError> {
    let mut list = list.clone();
    if fault == Some(Fault::ListRefusesALongPrefix) && list.prefix.len() > Key::MAX_LEN {
        return Err(StorageError::permanent("the prefix is longer than any key"));
    }
    if fault == Some(Fault::ListLimitMayBeZero) && list.limit == 0 {
        return Ok(Page::default());
    }
    let limit = match fault {
        Some(Fault::ListLimitIsUnbounded) => list.limit,
        _ => list.page_size(),
    };
    let prefix = std::mem::take(&mut list.prefix);
    let from = if fault == Some(Fault::ListFromIsIgnored) { None } else { list.start.take() };
    if fault == Some(Fault::ListFromHasToBeThere)
        && from.as_ref().is_some_and(|from| !leases.iter().any(|(key, _)| key == from))
    {
        return Ok(Page::default());
    }
    let mut wanted: Vec<_> = leases
        .into_iter()
        .filter(|(key, _)| begins_with(fault, key.as_str(), &prefix))
        .filter(|(key, _)| from.as_ref().is_none_or(|from| from_on(fault, key, from)))
        .filter_map(|(key, lease)| Some((key, shown(fault, lease)?)))
        .collect();
    match fault {
        Some(Fault::ListIsInUtf16Order) => wanted.sort_by_key(|(key, _)| utf16(key)),
        Some(Fault::ListIsInAlphabeticOrder) => wanted.sort_by_key(|(key, _)| key.as_str().to_lowercase()),
        _ => {}
    }
    let mut next = wanted.get(limit).map(|(key, _)| key.clone());
    wanted.truncate(limit);
    let last = wanted.last().map(|(key, _)| key.clone());
    match fault {
        Some(Fault::ListNextIsMissing) => next = None,
        Some(Fault::ListNextIsTheLastShown) => next = next.and(last),
        Some(Fault::ListEndsWithAnEmptyPage) if wanted.len() == limit => {
            next = next.or_else(|| Key::new(format!("{}!", last?)).ok());
        }
        _ => {}
    }
    let entries = wanted.into_iter().map(|(key, lease)| lessor::storage::Entry::new(key, lease)).collect();
    Ok(Page::new(entries, next))
}

fn shown(fault: Option<Fault>, mut lease: Lease) -> Option<Lease> {
    match fault {
        Some(Fault::ListHidesTheReleased) if lease.id.is_none() => return None,
        Some(Fault::ListHidesTheExpired) if lease.id.is_some() && lease.time_left == Duration::ZERO => return None,
        Some(Fault::ListHidesTheValue) => lease.value = None,
        Some(Fault::ListShowsVersionBefore) => return Some(judge::version_before(lease)),
        _ => {}
    }
    Some(lease)
}

fn utf16(key: &Key) -> Vec<u16> {
    key.as_str().encode_utf16().collect()
}

fn from_on(fault: Option<Fault>, key: &Key, from: &Key) -> bool {
    match fault {
        Some(Fault::ListFromIsExclusive) => key > from,
        Some(Fault::ListFromGoesByUtf16) => utf16(key) >= utf16(from),
        _ => key >= from,
    }
}

fn begins_with(fault: Option<Fault>, key: &str, prefix: &str) -> bool {
    match fault {
        Some(Fault::ListPrefixIsALike) => matches(key, prefix, '_', '%'),
        Some(Fault::ListPrefixIsAGlob) => matches(key, prefix, '?', '*'),
        Some(Fault::ListPrefixFoldsCase) => key.to_lowercase().starts_with(&prefix.to_lowercase()),
        Some(Fault::ListPrefixIsTrimmed) => key.starts_with(prefix.trim_end()),
        Some(Fault::ListPrefixIsFoundAnywhere) => key.contains(prefix),
        Some(Fault::ListPrefixIsIgnored) => true,
        _ => key.starts_with(prefix),
    }
}

/// Whether a text begins as a pattern has it, in which these stand for any one character and any number of them.
fn matches(text: &str, pattern: &str, one: char, any: char) -> bool {
    let mut rest = pattern.chars();
    let Some(first) = rest.next() else { return true };
    let (rest, mut chars) = (rest.as_str(), text.chars());
    if first == any {
        let mut begins = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        return begins.any(|at| matches(&text[at..], rest, one, any));
    }
    chars.next().is_some_and(|char| first == one || first == char) && matches(chars.as_str(), rest, one, any)
}
