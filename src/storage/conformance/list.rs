//! Which leases a list shows, in which order, and how its pages follow each other.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Harness;
use super::case::{Case, Outcome, Stop, expect, same, unchanged};
use super::revocation::revoked;
use super::text::ODD;
use crate::storage::{Acquired, List, Page, Reply, Request, Storage};
use crate::text::Key;

/// Beside the odd texts: what these become when one of them is taken for a pattern.
const LIKE_ODD: &[&str] =
    &["%a", "_a", "*a", "?a", "[a", "]", "^a", "\\%", "\\_", "\\*", "a%b", "a_b", "a*b", "a?b", "a[b", "a\\b", "aXb"];

/// How other orders than that of the bytes go astray: by language, by number, by UTF-16.
const NEIGHBOURS: &[&str] = &["B", "aB", "Ab", "a-b", "äb", "z", "Z", "zz", "9", "10", "\u{FFFF}b", "🦀b", "~"];

fn odd_names() -> impl Iterator<Item = String> {
    ODD.iter().chain(LIKE_ODD).chain(NEIGHBOURS).map(|name| (*name).to_string())
}

/// Claims keys of these names, many at a time. Answers the keys in the order of their bytes.
async fn claim_all<H: Harness>(case: &Case<'_, H>, names: impl Iterator<Item = String>) -> Result<Vec<Key>, Stop> {
    let keys: BTreeSet<Key> = names.map(|name| case.key(&name)).collect::<Result<_, _>>()?;
    let keys: Vec<_> = keys.into_iter().collect();
    for some in keys.chunks(91) {
        let claim = |key: &Key| Ok(Request::from(case.contender(key, 1)?.claim));
        let batch = case.handle(0)?.call_all(some.iter().map(claim).collect::<Result<_, Stop>>()?);
        let replies = case.within(case.harness.patience(), batch).await.unwrap_or_default();
        let granted = |reply: &&_| matches!(reply, Ok(Reply::Acquired(Acquired::Granted { .. })));
        let count = replies.iter().filter(granted).count();
        expect(count == some.len(), format!("{} claims of a batch are granted", some.len()), replies)?;
    }
    Ok(keys)
}

/// All keys of the case, as far as a page goes.
fn all<H: Harness>(case: &Case<'_, H>) -> Result<List, Stop> {
    Ok(List::new().prefix(case.key("")?.as_str()).limit(List::MAX_LIMIT))
}

fn keys(page: &Page) -> Vec<&Key> {
    page.entries.iter().map(|entry| &entry.key).collect()
}

pub(super) async fn list_shows_each_lease<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let new = |name: &str| case.contender(&case.key(name)?, 1);
    let contenders = [
        new("expired")?.ttl(case.short()).value("of the expired")?,
        new("live")?,
        new("published")?.value("http://a")?,
        new("released")?.value("of the released")?,
        new("revoked")?.value("of the revoked")?,
    ];
    for contender in &contenders {
        contender.win(None).await?;
    }
    let [expired, live, _, released, taken] = &contenders;
    expired.expire().await?;
    released.release().await?;
    revoked(taken).await?;
    live.extend(live.lease().await?.term).await?;
    // It was never granted.
    new("missing")?.get().await?;

    let mut before = Vec::new();
    for contender in &contenders {
        // By the handle that lists: where those who look judge, each counts from its own first sight.
        before.push(case.looker(&contender.claim.key)?.lease().await?);
    }
    let page = case.list(all(case)?).await?;
    let expected: Vec<_> = contenders.iter().map(|contender| &contender.claim.key).collect();
    same("the keys", keys(&page), expected)?;
    same("what follows the last page", &page.next, &None)?;
    for ((contender, before), entry) in contenders.iter().zip(&before).zip(&page.entries) {
        unchanged(before, &entry.lease)?;
        unchanged(&entry.lease, &contender.lease().await?)?;
    }
    Ok(())
}

pub(super) async fn list_goes_by_prefix<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let base = case.key("")?;
    let base = base.as_str();
    // Its key has the prefix of all the others in its middle.
    case.contender(&Key::new(format!("x{base}a"))?, 1)?.win(None).await?;
    let keys_there = claim_all(case, odd_names()).await?;
    let beyond = ["aaaa", "a%20b%", "\u{1F980}\u{1F980}"].map(str::to_string);
    let shorter = base.strip_suffix('/').unwrap_or(base).to_string();
    let prefixes = odd_names().chain(beyond).map(|name| format!("{base}{name}")).chain([base.to_string(), shorter]);
    for prefix in prefixes {
        let page = case.list(List::new().prefix(&prefix).limit(List::MAX_LIMIT)).await?;
        let seen: BTreeSet<_> = page.entries.iter().map(|entry| &entry.key).collect();
        let expected: BTreeSet<_> = keys_there.iter().filter(|key| key.as_str().starts_with(&prefix)).collect();
        same(&format!("the keys with the prefix {prefix:?}"), seen, expected)?;
    }
    Ok(())
}

pub(super) async fn list_is_in_byte_order<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let expected: Vec<_> = claim_all(case, odd_names()).await?;
    let expected: Vec<_> = expected.iter().collect();
    same("the keys", keys(&case.list(all(case)?).await?), expected.clone())?;
    for (place, from) in expected.iter().enumerate() {
        let page = case.list(all(case)?.start(Some((*from).clone()))).await?;
        let rest = expected.get(place..).unwrap_or_default();
        same(&format!("the keys from {:?}", from.as_str()), keys(&page), rest.to_vec())?;
    }
    Ok(())
}

pub(super) async fn list_begins_with_from<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let there = claim_all(case, ["b", "d", "f"].map(str::to_string).into_iter()).await?;
    for (from, first) in [("a", 0), ("b", 0), ("c", 1), ("d", 1), ("da", 2), ("f", 2), ("fa", 3), ("g", 3)] {
        let page = case.list(all(case)?.start(Some(case.key(from)?))).await?;
        let rest: Vec<_> = there.iter().skip(first).collect();
        same(&format!("the keys from {from:?}, which need not be there"), keys(&page), rest)?;
        same("what follows the last page", &page.next, &None)?;
    }
    // Without a prefix: those of others come before and after, and none between.
    let list = List::new().start(there.first().cloned()).limit(there.len());
    same("the keys of all that there are", keys(&case.list(list).await?), there.iter().collect())
}

pub(super) async fn list_pages_follow_each_other<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let there = claim_all(case, (1..=7).map(|number| number.to_string())).await?;
    for limit in [1, 2, 3, 6, 7, 8] {
        let mut list = all(case)?.limit(limit);
        let mut pages = there.chunks(limit).peekable();
        while let Some(expected) = pages.next() {
            let page = case.list(list.clone()).await?;
            same(&format!("the keys of a page of {limit}"), keys(&page), expected.iter().collect())?;
            let next = pages.peek().and_then(|next| next.first());
            same("where the next page begins", page.next.as_ref(), next)?;
            list = list.start(page.next);
        }
    }
    Ok(())
}

pub(super) async fn list_limit_is_from_one_to_a_thousand<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let there = claim_all(case, (0..=List::MAX_LIMIT).map(|number| format!("{number:04}"))).await?;
    let (most, default) = (List::MAX_LIMIT, List::new().limit);
    for (limit, count) in [(0, 1), (default, default), (most, most), (most + 1, most), (usize::MAX, most)] {
        let page = case.list(all(case)?.limit(limit)).await?;
        same(&format!("how many leases a limit of {limit} shows"), page.entries.len(), count)?;
        same("where the next page begins", page.next.as_ref(), there.get(count))?;
    }
    Ok(())
}

pub(super) async fn list_of_nothing_is_empty<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let prefix = case.key("a")?;
    let longer = "x".repeat(Key::MAX_LEN + 1);
    case.contender(&case.key("b")?, 1)?.win(None).await?;
    for list in [
        List::new().prefix(prefix.as_str()),
        List::new().prefix(prefix.as_str()).start(Some(case.key("0")?)),
        List::new().prefix(prefix.as_str()).start(Some(case.key("b")?)),
        List::new().prefix(format!("{}{longer}", prefix.as_str())),
    ] {
        same("a list of what is not there", case.list(list).await?, Page::default())?;
    }
    same("what was listed and never granted", case.contender(&prefix, 1)?.get().await?, None)
}

pub(super) async fn list_writes_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("b")?, 1)?);
    let grant = a.win(None).await?;
    b.win(None).await?;
    b.release().await?;
    let before = (a.lease().await?, b.lease().await?);
    for _ in 0..3 {
        case.list(all(case)?).await?;
    }
    unchanged(&before.0, &a.lease().await?)?;
    same("the released lease", b.lease().await?, before.1)?;
    a.extend(grant.term).await.map(drop)
}
