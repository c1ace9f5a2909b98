//! Which token a request was given: one of the secrets, or a signed one.

use std::cell::Cell;
use std::sync::Arc;

use lessor_wire::Problem;
use subtle::ConstantTimeEq;

use crate::budget::Budget;
use crate::caller::{Caller, Fingerprint, Written, fingerprint, short, too_many};
use crate::json;
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
        let tokens = Token::read(secrets).map_err(|error| format!("LESSOR_TOKENS: {error}"))?;
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
    fn read(secrets: [Option<&str>; 2]) -> Result<Vec<Self>, String> {
        let mut tokens = Vec::new();
        for secret in secrets.into_iter().flatten() {
            // An error may repeat what stands there, and that may be a token.
            let written: Vec<Written> =
                json::read(secret).map_err(|error| format!("they are not as they should be{}", error.place()))?;
            for token in written {
                tokens.push(Self::of(token)?);
            }
        }
        Ok(tokens)
    }

    fn of(written: Written) -> Result<Self, String> {
        let token = written.token.as_deref().unwrap_or_default();
        if token.len() < SHORTEST {
            return Err(format!("a token has less than {SHORTEST} characters"));
        }
        let fingerprint = fingerprint(token);
        let caller = written.caller(|| short(&fingerprint))?;
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

#[cfg(test)]
mod tests {
    use lessor::Key;

    use super::*;
    use crate::caller::{Limits, Owner, Role};

    const SECRET: &str = r#"[
        {"token": "reader-0123456789-abcdef", "role": "read"},
        {"token": "worker-0123456789-abcdef", "role": "candidate", "prefixes": ["team-a/", "team-b/"]}
    ]"#;

    fn tokens() -> Tokens {
        Tokens::read([Some(SECRET), None], None).expect("they are valid")
    }

    fn asker<'a>(tokens: &'a Tokens, authorization: &'a str) -> Asker<'a> {
        match tokens.given(Some(authorization), 0.0) {
            Ok(Given::Known(asker)) => asker,
            other => panic!("{other:?}"),
        }
    }

    fn status<T>(result: Result<T, Problem>) -> u16 {
        result.err().map_or(200, |problem| problem.status)
    }

    #[test]
    fn a_token_says_who_asks() {
        let tokens = tokens();
        assert_eq!(asker(&tokens, "Bearer reader-0123456789-abcdef").caller().role, Role::Read);
        assert_eq!(asker(&tokens, "bearer worker-0123456789-abcdef").caller().role, Role::Candidate);
        for bad in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic reader-0123456789-abcdef"),
            Some("Bearer reader"),
            Some("Bearer e30.e30.AAAA"),
        ] {
            assert_eq!(status(tokens.given(bad, 0.0)), 401, "{bad:?}");
        }
    }

    #[test]
    fn roles_and_prefixes_limit() {
        let [a, b] = ["team-a/x", "team-c/x"].map(|key| Key::new(key).unwrap());
        let tokens = tokens();
        let [reader, worker] = ["reader", "worker"].map(|name| format!("Bearer {name}-0123456789-abcdef"));
        let (reader, worker) = (asker(&tokens, &reader), asker(&tokens, &worker));
        let (reader, worker) = (reader.caller(), worker.caller());
        assert_eq!([status(reader.may(Role::Read, &b)), status(reader.may(Role::Candidate, &b))], [200, 403]);
        assert_eq!([status(worker.may(Role::Candidate, &a)), status(worker.may(Role::Read, &b))], [200, 403]);
        assert_eq!(status(worker.may(Role::Admin, &a)), 403);
    }

    #[test]
    fn without_tokens_nothing_is_served() {
        let short = "[{\"token\": \"short\", \"role\": \"admin\"}]";
        for secrets in [[None, None], [Some("[]"), None], [Some("{}"), None], [Some(SECRET), Some(short)]] {
            for issuers in [None, Some("[]")] {
                assert!(Tokens::read(secrets, issuers).unwrap_err().starts_with("LESSOR_TOKENS: "), "{secrets:?}");
            }
        }
        let error = Tokens::read([Some(SECRET), None], Some("[{}]")).unwrap_err();
        assert_eq!(error, "LESSOR_ISSUERS: number 1.issuer: a string is needed that is not empty");
    }

    /// The name outlives the token; without one it is the token's own.
    #[test]
    fn names_and_limits() {
        let read = |more: &str| {
            let secret = format!(r#"[{{"token": "reader-0123456789-abcdef", "role": "read"{more}}}]"#);
            Tokens::read([Some(&secret), None], None)
        };
        let caller = |more| read(more).map(|tokens| tokens.tokens.into_iter().next().unwrap().caller);
        assert_eq!(caller("").unwrap().name.len(), 16);
        assert_eq!(caller("").unwrap().limits, Limits::default());
        let named = caller(r#", "name": "ci", "limits": {"keys": 3}"#).unwrap();
        let owner = Owner { name: "ci", keys: Some(3), ahead: Some(1_000_000) };
        assert_eq!((Owner::read(&named.owner()), named.limits.sockets), (owner, 1_000));
        assert_eq!(Owner::read(""), Owner::default());
        for bad in [r#", "name": """#, r#", "name": "a b""#, r#", "limits": {"key": 3}"#, r#", "limits": {"keys": -3}"#]
        {
            assert!(caller(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_are_counted() {
        let tokens = tokens();
        let asker = asker(&tokens, "Bearer reader-0123456789-abcdef");
        assert!(asker.spend(60_000, 1e12).is_ok());
        let problem = asker.spend(1, 1e12).unwrap_err();
        assert_eq!((problem.status, problem.retry_after_ms), (429, Some(1)));
        assert!(asker.spend(1, 1e12 + 1.0).is_ok());
    }

    /// A browser's socket carries the token among its sub-protocols.
    #[test]
    fn a_token_of_a_socket() {
        assert_eq!(token_of("lessor.v1, lessor.bearer.a%2Fb"), Some("Bearer a/b".into()));
        assert_eq!(token_of("lessor.v1"), None);
    }
}
