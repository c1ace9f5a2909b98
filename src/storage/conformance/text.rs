//! Whether keys, ids, values and sessions come through as they were given.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Harness;
use super::case::{Case, Outcome, expect, same};
use crate::lease::Lease;
use crate::storage::Session;
use crate::text::{Id, Key, Value};

/// Texts that a careless adapter folds, cuts, escapes or runs.
pub(super) const ODD: &[&str] = &[
    "a",
    "A",
    "aa",
    "ab",
    "b",
    " ",
    "  ",
    " a",
    "a ",
    "a b",
    "a+b",
    "a%20b",
    "%",
    "%%",
    "_",
    "*",
    "?",
    "?a=b&c=d",
    "#",
    "/",
    "//",
    "a/b",
    "a//b",
    "a/",
    "/a",
    ".",
    "..",
    "../a",
    "\\",
    "\\n",
    "'",
    "''",
    "\"",
    "`",
    "' OR '1'='1",
    "'; DROP TABLE leases; --",
    "$1",
    "${a}",
    "{a}",
    "{}",
    "[a-z]*",
    ":",
    "a:b",
    ";",
    ",",
    "|",
    "<a>",
    "&amp;",
    "null",
    "NULL",
    "nil",
    "0",
    "00",
    "1e3",
    "-1",
    "true",
    "ä",
    "a\u{308}",
    "ß",
    "ss",
    "SS",
    "é",
    "e\u{301}",
    "İ",
    "i",
    "ı",
    "ſ",
    "s",
    "ﬁ",
    "fi",
    "K",
    "k",
    "\u{212A}",
    "ключ",
    "キー",
    "한국어",
    "עברית",
    "العربية",
    "\u{200B}",
    "\u{FEFF}",
    "\u{A0}",
    "\u{2028}",
    "\u{202E}abc",
    "🦀",
    "👩‍👩‍👧",
    "\u{FFFD}",
    "\u{FFFF}",
    "\u{10FFFF}",
];

pub(super) async fn value_is_published_and_replaced<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let text = |lease: Lease| lease.value.map(|value| value.to_string());
    let mut known = a.value("granted")?.win(None).await?.term;
    same("the value of a grant", text(b.lease().await?), Some("granted".into()))?;
    a.value("renewed")?.extend(known).await?;
    same("the value of a renewal", text(b.lease().await?), Some("renewed".into()))?;
    a.value("")?.extend(known).await?;
    same("an empty value", text(b.lease().await?), Some(String::new()))?;
    a.extend(known).await?;
    same("no value", text(b.lease().await?), None)?;
    known = a.value("a new reign's")?.win(Some(known)).await?.term;
    same("the value of a new reign", text(b.lease().await?), Some("a new reign's".into()))?;
    b.value("refused")?.refused(Some(known)).await?;
    same("the value after a refused claim", text(b.lease().await?), Some("a new reign's".into()))?;
    a.release().await?;
    same("the value after a release", text(b.lease().await?), Some("a new reign's".into()))?;
    known = b.win(Some(known)).await?.term;
    same("the value of a successor without one", text(a.lease().await?), None)?;
    b.value("asked again")?.win(None).await?;
    same("the value of a repeated claim", text(a.lease().await?), Some("asked again".into()))?;
    b.leads(known).await
}

pub(super) async fn odd_values_survive<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let grant = a.win(None).await?;
    let long = ["v".repeat(Value::MAX_LEN), "é".repeat(Value::MAX_LEN / 2), "🦀".repeat(Value::MAX_LEN / 4)];
    for text in ODD.iter().copied().chain(long.iter().map(String::as_str)) {
        let a = a.value(text)?;
        a.extend(grant.term).await?;
        same("the value", a.lease().await?.value, a.claim.value.clone())?;
    }
    let a = a.value(&"w".repeat(Value::MAX_LEN))?;
    a.win(None).await?;
    same("the longest value, from a claim", a.lease().await?.value, a.claim.value.clone())
}

pub(super) async fn odd_ids_survive<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let mut known = None;
    let long = ["i".repeat(Id::MAX_LEN), "é".repeat(Id::MAX_LEN / 2)];
    for text in ODD.iter().copied().chain(long.iter().map(String::as_str)) {
        let id = Id::new(text)?;
        let a = case.contender(&key, 1)?.with(|claim| claim.id = id);
        known = Some(a.win(known).await?.term);
        same("the holder", a.lease().await?.id, Some(a.claim.id.clone()))?;
    }
    Ok(())
}

pub(super) async fn odd_keys_are_kept_apart<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let base = case.key("")?;
    let base = base.as_str();
    let mut texts: BTreeSet<String> = ODD.iter().map(|odd| format!("{base}{odd}")).collect();
    texts.extend(ODD.iter().map(|odd| format!("{odd}{base}")));
    // The longest keys, different only at the end.
    for last in ["a", "b", "A"] {
        texts.insert(format!("{base:x<255}{last}"));
    }
    texts.insert(format!("{base}{}", "é".repeat((Key::MAX_LEN - base.len()) / 2)));

    let mut contenders = Vec::with_capacity(texts.len());
    for (text, number) in texts.iter().zip(1..) {
        let contender = case.contender(&Key::new(text)?, number)?.value(&format!("of {number}"))?;
        contender.win(None).await?;
        contenders.push(contender);
    }
    for contender in contenders {
        let lease = contender.lease().await?;
        let seen = (lease.id, lease.value);
        let own = (Some(contender.claim.id.clone()), contender.claim.value.clone());
        same(&format!("the holder and value of key {:?}", contender.claim.key.as_str()), seen, own)?;
    }
    Ok(())
}

pub(super) async fn session_bits_survive<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let one_bit = (0..128).step_by(8).chain([31, 63, 127]).map(|bit| 1_u128 << bit);
    let bits: Vec<u128> =
        [3, u128::MAX, u128::MAX >> 1, u128::MAX >> 64, u128::MAX << 64].into_iter().chain(one_bit).collect();
    let key = case.key("a")?;
    let mut known = None;
    for own in &bits {
        let a = case.contender(&key, 1)?.with(|claim| claim.session = Session::from_bits(*own));
        let grant = a.win(known).await?;
        // Nobody's session is no candidate's.
        let flipped = [0, 30, 52, 62, 63, 64, 96, 127].into_iter().map(|bit| own ^ (1 << bit));
        for flipped in flipped.filter(|bits| *bits != Session::NOBODY.to_bits()) {
            let other = case.contender(&key, 2)?.with(|claim| claim.session = Session::from_bits(flipped));
            other.lose(grant.term).await?;
            other.release().await?;
        }
        a.extend(grant.term).await?;
        a.release().await?;
        expect(a.lease().await?.id.is_none(), format!("session {own:#x} releases what it was granted"), "held")?;
        known = Some(grant.term);
    }
    Ok(())
}
