//! Who may do what: bearer tokens from secrets.

use std::cell::Cell;

use lessor::Key;
use lessor_wire::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::budget::Budget;
use crate::json;
use crate::problem::Kind;

/// What a token is good for. Each role may also do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Look.
    Read,
    /// Campaign.
    Candidate,
    /// Take a lease away, list all keys.
    Admin,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Candidate => "candidate",
            Self::Admin => "admin",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    token: String,
    role: Role,
    #[serde(default)]
    prefixes: Option<Vec<String>>,
    /// What is counted for it is counted under this name: it outlives a change of the token.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    limits: Limits,
}

/// How much is done for a token. All of it in a minute, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Requests over HTTP, those of a batch each by itself; in each process of the platform that serves it.
    pub(crate) requests: u32,
    /// Sockets that are open at a time.
    pub(crate) sockets: u32,
    /// Messages on its sockets.
    pub(crate) messages: u32,
    /// Leases that are looked up for lists and for those who begin to watch.
    pub(crate) lookups: u32,
    /// Keys that were used for the first time with it, ever.
    pub(crate) keys: u32,
    /// By how much the `after` of a claim may be above the newest term.
    pub(crate) ahead: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests: 60_000, sockets: 1_000, messages: 6_000, lookups: 10_000, keys: 10_000, ahead: 1_000_000 }
    }
}

/// The shortest token that is taken: 128 bits in base 64 are 22 characters.
const SHORTEST: usize = 20;

pub(crate) struct Token {
    digest: [u8; 32],
    pub(crate) caller: Caller,
    requests: Cell<Budget>,
}

/// Who asks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// `None`: all keys.
    pub(crate) prefixes: Option<Vec<String>>,
    pub(crate) limits: Limits,
}

/// The tokens that are valid now.
pub(crate) struct Tokens(Vec<Token>);

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
    /// the other. Without any token nothing is served; what is wrong is for the owner's log, not for whoever asks.
    pub(crate) fn read(secrets: &[String]) -> Result<Self, String> {
        let mut tokens = Vec::new();
        for secret in secrets {
            // An error may repeat what stands there, and that may be a token.
            let written: Vec<Written> =
                json::read(secret).map_err(|error| format!("they are not as they should be{}", error.place()))?;
            for token in written {
                tokens.push(Token::of(token)?);
            }
        }
        if tokens.is_empty() { Err("there are no tokens".into()) } else { Ok(Self(tokens)) }
    }

    /// The token that was given. Takes the same time for every token.
    pub(crate) fn given(&self, authorization: Option<&str>) -> Result<&Token, Problem> {
        let given = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, given)) = given else {
            return Err(Kind::Unauthenticated.because("a bearer token is needed"));
        };
        let digest: [u8; 32] = Sha256::digest(given.trim().as_bytes()).into();
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.digest.ct_eq(&digest)) {
                found = Some(token);
            }
        }
        found.ok_or_else(|| Kind::Unauthenticated.because("the bearer token is not valid"))
    }
}

impl Token {
    fn of(written: Written) -> Result<Self, String> {
        let Written { token, role, prefixes, name, limits } = written;
        if token.len() < SHORTEST {
            return Err(format!("a token has less than {SHORTEST} characters"));
        }
        if prefixes.iter().flatten().any(|prefix| prefix.contains(['\t', '\n'])) {
            return Err("a prefix has a tab or a line feed, which no key has".into());
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let is_name = |name: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=64).contains(&name.len()) && name.bytes().all(plain)
        };
        let name = match name {
            Some(name) if is_name(&name) => name,
            Some(_) => return Err("a name is not 1 to 64 letters, digits, dots, hyphens and underscores".into()),
            None => digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        };
        let caller = Caller { name, role, prefixes, limits };
        Ok(Self { digest, caller, requests: Cell::new(Budget::new()) })
    }

    /// Counts so many requests.
    pub(crate) fn spend(&self, count: usize, now_ms: f64) -> Result<(), Problem> {
        let mut requests = self.requests.get();
        let spent = requests.spend(u32::try_from(count).unwrap_or(u32::MAX), self.caller.limits.requests, now_ms);
        self.requests.set(requests);
        spent.map_err(|wait_ms| too_many("requests", self.caller.limits.requests, wait_ms))
    }
}

/// The budget is used up, for so long.
pub(crate) fn too_many(what: &str, a_minute: u32, wait_ms: u64) -> Problem {
    let detail = format!("the token's {what} are used up: {a_minute} a minute");
    let mut problem = Kind::TooMany.because(detail);
    problem.retry_after_ms = Some(wait_ms);
    problem
}

impl Caller {
    /// Which keys it may see: `*`, or the prefixes between two `=`, divided by tabs. No key contains one. (As the value of a
    /// header, whose ends are trimmed.)
    fn keys(&self) -> String {
        let Some(prefixes) = &self.prefixes else { return "*".into() };
        let mut keys = String::from("=\t");
        for prefix in prefixes {
            keys.push_str(prefix);
            keys.push('\t');
        }
        keys + "="
    }

    /// Who looks, for a [`Looker`].
    pub(crate) fn looking(&self) -> String {
        let Limits { sockets, messages, lookups, .. } = self.limits;
        format!("{} {sockets} {messages} {lookups} {}", self.name, self.keys())
    }

    /// Whose keys are counted, for an [`Owner`].
    pub(crate) fn owner(&self) -> String {
        let Limits { keys, ahead, .. } = self.limits;
        format!("{} {keys} {ahead}", self.name)
    }

    /// Whether it may do what takes this role, on this key.
    pub(crate) fn may(&self, role: Role, key: &Key) -> Result<(), Problem> {
        self.may_within(role, key.as_str())
    }

    /// Whether it may do what takes this role, on all keys that begin so.
    pub(crate) fn may_within(&self, role: Role, prefix: &str) -> Result<(), Problem> {
        if self.role < role {
            let (has, needs) = (self.role.name(), role.name());
            return Err(Kind::Forbidden.because(format!("the token's role is {has}, needed is {needs}")));
        }
        may_see(self.prefixes.as_deref(), prefix)
    }
}

fn may_see(prefixes: Option<&[String]>, prefix: &str) -> Result<(), Problem> {
    if prefixes.is_none_or(|prefixes| prefixes.iter().any(|allowed| prefix.starts_with(allowed.as_str()))) {
        return Ok(());
    }
    Err(Kind::Forbidden.because("the token is not for this key"))
}

/// Who claims keys, and how many. Over a binding that is nobody, and nothing is counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    pub(crate) name: &'a str,
    pub(crate) keys: Option<u64>,
    pub(crate) ahead: Option<u64>,
}

impl<'a> Owner<'a> {
    /// As [`Caller::owner`] wrote it.
    pub(crate) fn read(text: &'a str) -> Self {
        let mut parts = text.split(' ');
        let name = parts.next().unwrap_or_default();
        let mut number = || parts.next()?.parse().ok();
        Self { name, keys: number(), ahead: number() }
    }
}

/// Who may look, at which keys, and how much.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looker {
    pub(crate) name: String,
    pub(crate) messages: u32,
    pub(crate) lookups: u32,
    prefixes: Option<Vec<String>>,
}

impl Looker {
    /// As [`Caller::looking`] wrote it. What is no such text may look at nothing.
    pub(crate) fn read(text: &str) -> Self {
        let mut parts = text.splitn(5, ' ');
        let mut part = || parts.next().unwrap_or_default();
        let (name, _sockets) = (part().to_owned(), part());
        let mut number = || part().parse().unwrap_or(0);
        let (messages, lookups) = (number(), number());
        let keys = part();
        let mut prefixes: Vec<_> = keys.split('\t').skip(1).map(str::to_owned).collect();
        prefixes.pop();
        Self { name, messages, lookups, prefixes: (keys != "*").then_some(prefixes) }
    }

    /// Whether it may look at all keys that begin so.
    pub(crate) fn may_within(&self, prefix: &str) -> Result<(), Problem> {
        may_see(self.prefixes.as_deref(), prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"[
        {"token": "reader-0123456789-abcdef", "role": "read"},
        {"token": "worker-0123456789-abcdef", "role": "candidate", "prefixes": ["team-a/", "team-b/"]}
    ]"#;

    fn tokens() -> Tokens {
        Tokens::read(&[SECRET.into()]).expect("they are valid")
    }

    fn status<T>(result: Result<T, Problem>) -> u16 {
        result.err().map_or(200, |problem| problem.status)
    }

    #[test]
    fn a_token_says_who_asks() {
        let tokens = tokens();
        assert_eq!(tokens.given(Some("Bearer reader-0123456789-abcdef")).unwrap().caller.role, Role::Read);
        assert_eq!(tokens.given(Some("bearer worker-0123456789-abcdef")).unwrap().caller.role, Role::Candidate);
        for bad in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic reader-0123456789-abcdef"),
            Some("Bearer reader"),
        ] {
            assert_eq!(status(tokens.given(bad)), 401, "{bad:?}");
        }
    }

    #[test]
    fn roles_and_prefixes_limit() {
        let [a, b] = ["team-a/x", "team-c/x"].map(|key| Key::new(key).unwrap());
        let tokens = tokens();
        let reader = &tokens.given(Some("Bearer reader-0123456789-abcdef")).unwrap().caller;
        let worker = &tokens.given(Some("Bearer worker-0123456789-abcdef")).unwrap().caller;
        assert_eq!([status(reader.may(Role::Read, &b)), status(reader.may(Role::Candidate, &b))], [200, 403]);
        assert_eq!([status(worker.may(Role::Candidate, &a)), status(worker.may(Role::Read, &b))], [200, 403]);
        assert_eq!(status(worker.may(Role::Admin, &a)), 403);
    }

    #[test]
    fn without_tokens_nothing_is_served() {
        for secrets in [vec![], vec!["[]"], vec!["{}"], vec![SECRET, "[{\"token\": \"short\", \"role\": \"admin\"}]"]] {
            let secrets: Vec<_> = secrets.into_iter().map(String::from).collect();
            assert!(Tokens::read(&secrets).is_err(), "{secrets:?}");
        }
    }

    /// What a caller may see, and how much, survives the way to the sockets.
    #[test]
    fn who_looks() {
        for prefixes in [None, Some(vec![]), Some(vec!["".to_owned()]), Some(vec!["a b/".to_owned(), "*".to_owned()])] {
            let limits = Limits { messages: 7, lookups: 8, ..Limits::default() };
            let caller = Caller { name: "n".into(), role: Role::Admin, prefixes: prefixes.clone(), limits };
            let looker = Looker { name: "n".into(), messages: 7, lookups: 8, prefixes };
            assert_eq!(Looker::read(caller.looking().trim()), looker);
        }
        assert!(Looker::read("").may_within("a").is_err());
    }

    /// The name outlives the token; without one it is the token's own.
    #[test]
    fn names_and_limits() {
        let read =
            |more: &str| Tokens::read(&[format!(r#"[{{"token": "reader-0123456789-abcdef", "role": "read"{more}}}]"#)]);
        let caller = |more| read(more).map(|tokens| tokens.0.into_iter().next().unwrap().caller);
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
        let token = tokens.given(Some("Bearer reader-0123456789-abcdef")).unwrap();
        assert!(token.spend(60_000, 1e12).is_ok());
        let problem = token.spend(1, 1e12).unwrap_err();
        assert_eq!((problem.status, problem.retry_after_ms), (429, Some(1)));
        assert!(token.spend(1, 1e12 + 1.0).is_ok());
    }

    /// A browser's socket carries the token among its sub-protocols.
    #[test]
    fn a_token_of_a_socket() {
        assert_eq!(token_of("lessor.v1, lessor.bearer.a%2Fb"), Some("Bearer a/b".into()));
        assert_eq!(token_of("lessor.v1"), None);
    }
}
