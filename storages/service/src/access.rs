//! Which token a request was given: one of the secrets, or a signed one.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::Arc;

use lessor_wire::Problem;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::budget::Budget;
use crate::caller::{Caller, Fingerprint, Written, fingerprint, short, too_many};
use crate::json::{self, Json, Unread};
use crate::problem::Kind;
use crate::signed::{Signed, Unverified};

/// The shortest token that is taken: 128 bits in base 64 are 22 characters.
const SHORTEST: usize = 20;

pub(crate) struct Token {
    fingerprint: Fingerprint,
    caller: Caller,
    requests: Cell<Budget>,
}

/// The tokens that are valid now.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokens: Vec<Token>,
    signed: Signed,
}

/// Whose it is, and not which token.
impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Token").field(&self.caller).finish()
    }
}

/// What is known of a token that was given.
#[derive(Debug)]
pub(crate) enum Given<'a> {
    Known(Asker<'a>),
    /// It is another's: its signature has to be verified before it is believed.
    Unverified(Unverified<'a>),
}

/// Whoever asks, and where that is counted.
#[derive(Debug)]
pub(crate) enum Asker<'a> {
    Token(&'a Token),
    Subject(Arc<Caller>, &'a Signed),
}

/// What browsers, which cannot set headers on a socket, put before a percent-encoded token among the sub-protocols.
const PROTOCOL: &str = "lessor.bearer.";

/// The token that a socket was opened with.
pub(crate) fn token_of(protocols: &str) -> Option<String> {
    let given = protocols.split(',').find_map(|protocol| protocol.trim().strip_prefix(PROTOCOL))?;
    percent_decoded(given).map(|token| format!("Bearer {token}"))
}

/// The text that is percent-encoded here, if it is one.
#[cfg(target_family = "wasm")]
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    js_sys::decode_uri_component(text).ok().map(String::from)
}

/// The text that is percent-encoded here, if it is one.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

impl Tokens {
    /// From the texts of the secrets, each a JSON array: there may be two, so that tokens can be changed one side after
    /// the other. Without any token or issuer nothing is served; what is wrong is for the owner's log, not for whoever asks.
    pub(crate) fn read(secrets: [Option<&str>; 2], issuers: Option<&str>) -> Result<Self, String> {
        let signed = Signed::read(issuers).map_err(|error| format!("LESSOR_ISSUERS: {error}"))?;
        let [now, next] = secrets;
        let mut tokens = Token::read(now).map_err(|error| format!("LESSOR_TOKENS: {error}"))?;
        tokens.extend(Token::read(next).map_err(|error| format!("LESSOR_TOKENS_NEXT: {error}"))?);
        if tokens.is_empty() && signed.is_empty() {
            return Err("LESSOR_TOKENS: there are no tokens, and LESSOR_ISSUERS names nobody".into());
        }
        Ok(Self { tokens, signed })
    }

    /// The token that was given. Takes the same time for every token of the secrets.
    pub(crate) fn given<'a>(&'a self, authorization: Option<&'a str>, now_ms: f64) -> Result<Given<'a>, Problem> {
        let given = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, given)) = given else {
            return Err(Kind::Unauthenticated.because("a bearer token is needed"));
        };
        let given = given.trim();
        let fingerprint = fingerprint(given);
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.fingerprint.ct_eq(&fingerprint)) {
                found = Some(token);
            }
        }
        if let Some(token) = found {
            return Ok(Given::Known(Asker::Token(token)));
        }
        if let Some(caller) = self.signed.known(&fingerprint, now_ms) {
            return Ok(Given::Known(Asker::Subject(caller, &self.signed)));
        }
        self.signed.unverified(given, now_ms).map(Given::Unverified)
    }

    /// Takes a signed token whose signature was verified.
    pub(crate) fn verified(&self, token: &str, now_ms: f64) -> Result<(), Problem> {
        self.signed.verified(token, now_ms)
    }
}

impl Token {
    fn read(secret: Option<&str>) -> Result<Vec<Self>, Unread> {
        let mut tokens: Vec<Self> = Vec::new();
        let written = secret.map_or(Ok(Vec::new()), |secret| json::parse(secret)?.list())?;
        for (written, number) in written.into_iter().zip(1..) {
            // An error may repeat what stands there, and that may be a token.
            let token = Self::of(written).map_err(|error| error.discreet().within(&format!("number {number}")))?;
            let same = tokens.iter().zip(1..).find(|(other, _)| other.fingerprint == token.fingerprint);
            if let Some((_, same)) = same {
                return Err(Unread::because(format!("it is the token of number {same}, and each is allowed once"))
                    .within(&format!("number {number}")));
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    fn of(written: Json) -> Result<Self, Unread> {
        let written = Written::deserialize(written)?;
        let token = written.token.as_deref().unwrap_or_default();
        if token.len() < SHORTEST {
            return Err(Unread::because(format!("a token has less than {SHORTEST} characters")).within("token"));
        }
        let fingerprint = fingerprint(token);
        let caller = written.caller(|| short(&fingerprint)).map_err(Unread::because)?;
        Ok(Self { fingerprint, caller, requests: Cell::new(Budget::new()) })
    }
}

impl Given<'_> {
    pub(crate) fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

impl Asker<'_> {
    pub(crate) fn caller(&self) -> &Caller {
        match self {
            Self::Token(token) => &token.caller,
            Self::Subject(caller, _) => caller,
        }
    }

    /// Counts so many requests.
    pub(crate) fn spend(&self, count: usize, now_ms: f64) -> Result<(), Problem> {
        let (count, most) = (u32::try_from(count).unwrap_or(u32::MAX), self.caller().limits.requests);
        let spent = match self {
            Self::Token(token) => {
                let mut requests = token.requests.get();
                let spent = requests.spend(count, most, now_ms);
                token.requests.set(requests);
                spent
            }
            Self::Subject(caller, signed) => signed.used(&caller.name, now_ms, |used| used.spend(count, most, now_ms)),
        };
        spent.map_err(|wait_ms| too_many("requests", most, wait_ms))
    }
}
