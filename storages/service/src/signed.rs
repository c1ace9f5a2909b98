//! Signed tokens (JWT, RFC 7519): what has to be right before a signature is verified, and who is known since it was.
//! To verify takes waiting: `tokens.js` does it, and nothing else is decided there.

use core::fmt;
use std::cell::RefCell;
use std::sync::Arc;

use lessor_wire::Problem;
use serde::Serialize;

use crate::budget::{Budget, Ledger};
use crate::caller::{Caller, Fingerprint, fingerprint};
use crate::issuers::Issuer;
use crate::json::{self, Json, Unread};
use crate::problem::Kind;

/// The longest token, in bytes.
const LONGEST: usize = 8 * 1024;

/// By how much an issuer's clock may be ahead, in s. A token's end has no such grace: whoever holds it comes by a new one.
const AHEAD_S: f64 = 30.0;

/// How many tokens are known at a time. Those beyond are verified more than once.
const KNOWN: usize = 4_096;

/// The issuers, and those of their tokens that were verified.
pub(crate) struct Signed {
    issuers: Vec<Issuer>,
    /// In the order of the fingerprints.
    known: RefCell<Vec<(Fingerprint, Arc<Caller>)>>,
    used: RefCell<Ledger<1>>,
}

/// What has to be verified: with a key of this issuer, by its place in the setting.
#[derive(Debug, Serialize)]
pub(crate) struct Unverified<'a> {
    issuer: usize,
    alg: &'static str,
    kid: Option<String>,
    #[serde(skip)]
    pub(crate) token: &'a str,
}

/// A token in its parts, of which nothing is believed yet.
struct Read<'a> {
    unverified: Unverified<'a>,
    issuer: &'a Issuer,
    claims: Json,
    ends_ms: u64,
}

fn refused(why: &str) -> Problem {
    Kind::Unauthenticated.because(why)
}

impl Signed {
    pub(crate) fn read(setting: Option<&str>) -> Result<Self, Unread> {
        let issuers = setting.map_or(Ok(Vec::new()), Issuer::read)?;
        Ok(Self { issuers, known: RefCell::default(), used: RefCell::new(Ledger::new()) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whose token has this fingerprint, if it was verified and has not ended.
    pub(crate) fn known(&self, fingerprint: &Fingerprint, now_ms: f64) -> Option<Arc<Caller>> {
        let known = self.known.borrow();
        let place = known.binary_search_by(|(known, _)| known.cmp(fingerprint)).ok()?;
        let (_, caller) = known.get(place)?;
        caller.ends_ms.is_some_and(|ends_ms| now_ms < ends_ms as f64).then(|| caller.clone())
    }

    /// What of this token has to be verified.
    pub(crate) fn unverified<'a>(&'a self, token: &'a str, now_ms: f64) -> Result<Unverified<'a>, Problem> {
        self.parts(token, now_ms).map(|read| read.unverified)
    }

    /// Takes a token that was verified: from now on it is known.
    pub(crate) fn verified(&self, token: &str, now_ms: f64) -> Result<(), Problem> {
        let Read { issuer, claims, ends_ms, .. } = self.parts(token, now_ms)?;
        let mut caller = issuer
            .caller(&claims)
            .ok_or_else(|| Kind::Forbidden.because("the token's subject is none that LESSOR_ISSUERS lets in"))?;
        caller.ends_ms = Some(ends_ms);
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.retain(|(_, caller)| caller.ends_ms.is_some_and(|ends_ms| now_ms < ends_ms as f64));
        }
        if known.len() >= KNOWN {
            // Each is verified once more, when it is used again.
            known.clear();
        }
        let fingerprint = fingerprint(token);
        match known.binary_search_by(|(known, _)| known.cmp(&fingerprint)) {
            Ok(place) => drop(known.get_mut(place).map(|known| known.1 = Arc::new(caller))),
            Err(place) => known.insert(place, (fingerprint, Arc::new(caller))),
        }
        Ok(())
    }

    /// Counts under this name.
    pub(crate) fn used<T>(&self, name: &str, now_ms: f64, spend: impl FnOnce(&mut Budget) -> T) -> T {
        self.used.borrow_mut().spend(name, now_ms, |[requests]| spend(requests))
    }

    /// All that can be said of a token without its key. Names what is wrong, and nothing that is in the settings.
    fn parts<'a>(&'a self, token: &'a str, now_ms: f64) -> Result<Read<'a>, Problem> {
        let not_valid = "the bearer token is not valid";
        if self.is_empty() || !is_signed(token) {
            return Err(refused(not_valid));
        }
        if token.len() > LONGEST {
            return Err(refused("the token is too long"));
        }
        let mut parts = token.split('.').map(read);
        let (Some(Some(header)), Some(Some(claims))) = (parts.next(), parts.next()) else {
            return Err(refused("the token's header and claims are not JSON in base64url"));
        };
        // What a header with `crit` means only those know who have agreed about it; it may name no key, but not two.
        let kid = header.get("kid");
        if header.get("crit").is_some() || kid.is_some_and(|kid| kid.text().is_none()) {
            return Err(refused("the token's header has what is not known here"));
        }
        // Never `none`, and nothing whose key is a secret: what verifies is for everybody to know.
        let alg = header.get("alg").and_then(Json::text).unwrap_or_default();
        let alg = ["RS256", "ES256", "EdDSA"].into_iter().find(|known| *known == alg);
        let alg = alg.ok_or_else(|| refused("the token's alg is not RS256, ES256 or EdDSA"))?;

        let says = |name, value: &str| claims.get(name).is_some_and(|claim| claim.says(value));
        let of_issuer = |issuer: &Issuer| claims.get("iss").and_then(Json::text) == Some(&issuer.issuer);
        if !self.issuers.iter().any(of_issuer) {
            return Err(refused("the token's issuer is not known"));
        }
        let found = self.issuers.iter().enumerate().find(|(_, one)| of_issuer(one) && says("aud", &one.audience));
        let (place, issuer) = found.ok_or_else(|| refused("the token is for another audience"))?;
        let time = |name| claims.get(name).map(|claim| claim.number().unwrap_or(f64::NAN));
        let ends_ms = time("exp").map_or(f64::NAN, |exp| exp * 1_000.0);
        // What is no number is not in the future.
        if ends_ms.is_nan() {
            return Err(refused("the token has no exp"));
        }
        // In whole milliseconds, as it is known from then on: there is no moment at which it is valid and not known.
        let ends_ms = ends_ms as u64;
        if ends_ms as f64 <= now_ms {
            return Err(refused("the token has expired"));
        }
        if time("nbf").is_some_and(|nbf| nbf.is_nan() || nbf * 1_000.0 > now_ms + AHEAD_S * 1_000.0) {
            return Err(refused("the token is not valid yet"));
        }
        let kid = kid.and_then(Json::text).map(str::to_owned);
        Ok(Read { unverified: Unverified { issuer: place, alg, kid, token }, issuer, claims, ends_ms })
    }
}

/// Whether it has the form of a signed token.
fn is_signed(token: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    token.split('.').count() == 3 && token.bytes().all(plain)
}

/// JSON in base64url.
fn read(part: &str) -> Option<Json> {
    let text = String::from_utf8(decoded(part)?).ok()?;
    json::parse(&text).ok().filter(|read| matches!(read, Json::Object(_)))
}

/// What stands there in base64url (RFC 4648, section 5), without padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // Of a last group of one letter nothing could be read.
    (text.len() % 4 != 1).then_some(bytes)
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
