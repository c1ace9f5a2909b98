//! Who may do what: bearer tokens from secrets.

use lessor::Key;
use lessor_wire::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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
}

/// The shortest token that is taken: 128 bits in base 64 are 22 characters.
const SHORTEST: usize = 20;

struct Token {
    digest: [u8; 32],
    caller: Caller,
}

/// Who asks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// `None`: all keys.
    pub(crate) prefixes: Option<Vec<String>>,
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
            if written.iter().any(|token| token.token.len() < SHORTEST) {
                return Err(format!("a token has less than {SHORTEST} characters"));
            }
            if written
                .iter()
                .flat_map(|token| token.prefixes.iter().flatten())
                .any(|prefix| prefix.contains(['\t', '\n']))
            {
                return Err("a prefix has a tab or a line feed, which no key has".into());
            }
            tokens.extend(written.into_iter().map(|token| Token {
                digest: Sha256::digest(token.token.as_bytes()).into(),
                caller: Caller { role: token.role, prefixes: token.prefixes },
            }));
        }
        if tokens.is_empty() { Err("there are no tokens".into()) } else { Ok(Self(tokens)) }
    }

    /// Whose token this is. Takes the same time for every token.
    pub(crate) fn caller(&self, authorization: Option<&str>) -> Result<Caller, Problem> {
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
                found = Some(&token.caller);
            }
        }
        found.cloned().ok_or_else(|| Kind::Unauthenticated.because("the bearer token is not valid"))
    }
}

impl Caller {
    /// Which keys it may see, as the value of a header, whose ends are trimmed: `*`, or the prefixes between two `=`,
    /// divided by tabs. No key contains one.
    pub(crate) fn keys(&self) -> String {
        let Some(prefixes) = &self.prefixes else { return "*".into() };
        let mut keys = String::from("=\t");
        for prefix in prefixes {
            keys.push_str(prefix);
            keys.push('\t');
        }
        keys + "="
    }

    /// Who may only look, at these keys.
    pub(crate) fn looking_at(keys: &str) -> Self {
        let mut prefixes: Vec<_> = keys.split('\t').skip(1).map(str::to_owned).collect();
        prefixes.pop();
        let prefixes = (keys != "*").then_some(prefixes);
        Self { role: Role::Read, prefixes }
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
        let allowed = |prefixes: &Vec<String>| prefixes.iter().any(|allowed| prefix.starts_with(allowed.as_str()));
        if self.prefixes.as_ref().is_none_or(allowed) {
            return Ok(());
        }
        Err(Kind::Forbidden.because("the token is not for this key"))
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
        assert_eq!(tokens.caller(Some("Bearer reader-0123456789-abcdef")).unwrap().role, Role::Read);
        assert_eq!(tokens.caller(Some("bearer worker-0123456789-abcdef")).unwrap().role, Role::Candidate);
        for bad in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic reader-0123456789-abcdef"),
            Some("Bearer reader"),
        ] {
            assert_eq!(status(tokens.caller(bad)), 401, "{bad:?}");
        }
    }

    #[test]
    fn roles_and_prefixes_limit() {
        let [a, b] = ["team-a/x", "team-c/x"].map(|key| Key::new(key).unwrap());
        let tokens = tokens();
        let reader = tokens.caller(Some("Bearer reader-0123456789-abcdef")).unwrap();
        let worker = tokens.caller(Some("Bearer worker-0123456789-abcdef")).unwrap();
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

    /// What a caller may see survives the way to the sockets.
    #[test]
    fn keys_of_a_caller() {
        for prefixes in [None, Some(vec![]), Some(vec!["".to_owned()]), Some(vec!["a/".to_owned(), "*".to_owned()])] {
            let caller = Caller { role: Role::Admin, prefixes: prefixes.clone() };
            let looking = Caller::looking_at(caller.keys().trim());
            assert_eq!((looking.role, looking.prefixes), (Role::Read, prefixes));
        }
    }

    /// A browser's socket carries the token among its sub-protocols.
    #[test]
    fn a_token_of_a_socket() {
        assert_eq!(token_of("lessor.v1, lessor.bearer.a%2Fb"), Some("Bearer a/b".into()));
        assert_eq!(token_of("lessor.v1"), None);
    }
}
