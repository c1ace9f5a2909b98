//! Who asks, and what that may.

use lessor::Key;
use lessor_wire::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

/// Who asks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// `None`: all keys.
    pub(crate) prefixes: Option<Vec<String>>,
    pub(crate) limits: Limits,
    /// When its token ends. `None`: with the settings.
    #[serde(skip)]
    pub(crate) ends_ms: Option<u64>,
}

/// What a token is known by: the token itself is kept nowhere.
pub(crate) type Fingerprint = [u8; 32];

pub(crate) fn fingerprint(of: &str) -> Fingerprint {
    Sha256::digest(of.as_bytes()).into()
}

/// The beginning of it, as a name.
pub(crate) fn short(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What the settings say of a caller.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// Of those who have one.
    #[serde(default)]
    pub(crate) token: Option<String>,
    role: Role,
    #[serde(default)]
    prefixes: Option<Vec<String>>,
    /// What is counted for it is counted under this name: it outlives a change of the token.
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    limits: Limits,
}

impl Written {
    pub(crate) fn caller(self, name: impl FnOnce() -> String) -> Result<Caller, &'static str> {
        let Self { role, prefixes, limits, .. } = self;
        if prefixes.iter().flatten().any(|prefix| prefix.contains(['\t', '\n'])) {
            return Err("a prefix has a tab or a line feed, which no key has");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let name = self.name.unwrap_or_else(name);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return Err("a name is not 1 to 64 letters, digits, dots, hyphens and underscores");
        }
        Ok(Caller { name, role, prefixes, limits, ends_ms: None })
    }
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
        let ends_ms = self.ends_ms.unwrap_or(0);
        format!("{} {sockets} {messages} {lookups} {ends_ms} {}", self.name, self.keys())
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
#[non_exhaustive]
pub struct Owner<'a> {
    /// Under which it is counted.
    pub name: &'a str,
    /// How many keys that were used with it for the first time.
    pub keys: Option<u64>,
    /// By how much a claim may be ahead.
    pub ahead: Option<u64>,
}

impl<'a> Owner<'a> {
    /// As a [`Plan`](crate::Plan) has it.
    #[must_use]
    pub fn read(text: &'a str) -> Self {
        let mut parts = text.split(' ');
        let name = parts.next().unwrap_or_default();
        let mut number = || parts.next()?.parse().ok();
        Self { name, keys: number(), ahead: number() }
    }
}

/// Who may look, at which keys, and how much.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Looker {
    /// Under which it is counted.
    pub name: String,
    /// How many sockets it may have at a time.
    pub sockets: u32,
    /// How many messages a minute.
    pub messages: u32,
    /// How many leases are looked up for it in a minute.
    pub lookups: u32,
    /// When its token ends, in ms of the clock that admitted it; 0: never by itself.
    pub ends_ms: u64,
    prefixes: Option<Vec<String>>,
}

impl Looker {
    /// As a [`Plan`](crate::Plan) has it. What is no such text may look at nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut parts = text.splitn(6, ' ');
        let mut part = || parts.next().unwrap_or_default();
        let name = part().to_owned();
        let mut number = || part().parse::<u64>().unwrap_or(0);
        let (sockets, messages, lookups, ends_ms) = (number() as u32, number() as u32, number() as u32, number());
        let keys = part();
        let mut prefixes: Vec<_> = keys.split('\t').skip(1).map(str::to_owned).collect();
        prefixes.pop();
        Self { name, sockets, messages, lookups, ends_ms, prefixes: (keys != "*").then_some(prefixes) }
    }

    /// Whether it may look at all keys that begin so.
    ///
    /// # Errors
    /// It may not.
    pub fn may_within(&self, prefix: &str) -> Result<(), Problem> {
        may_see(self.prefixes.as_deref(), prefix)
    }
}

/// So many keys were used for the first time already, and no more are allowed.
#[must_use]
pub fn too_many_keys(used: u64, allowed: u64) -> Problem {
    Kind::TooMany.because(format!("the token has used {used} keys, allowed are {allowed}: have some forgotten"))
}

/// The budget is used up, for so long.
pub(crate) fn too_many(what: &str, a_minute: u32, wait_ms: u64) -> Problem {
    let detail = format!("the token's {what} are used up: {a_minute} a minute");
    let mut problem = Kind::TooMany.because(detail);
    problem.retry_after_ms = Some(wait_ms);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a caller may see, and how much, survives the way to the sockets.
    #[test]
    fn who_looks() {
        for prefixes in [None, Some(vec![]), Some(vec!["".to_owned()]), Some(vec!["a b/".to_owned(), "*".to_owned()])] {
            let limits = Limits { messages: 7, lookups: 8, ..Limits::default() };
            let (role, prefixes) = (Role::Admin, prefixes.clone());
            let mut caller = Caller { name: "n".into(), role, prefixes: prefixes.clone(), limits, ends_ms: None };
            for ends_ms in [None, Some(1_800_000_000_000)] {
                caller.ends_ms = ends_ms;
                let (prefixes, ends_ms) = (prefixes.clone(), ends_ms.unwrap_or(0));
                let looker = Looker { name: "n".into(), sockets: 1_000, messages: 7, lookups: 8, ends_ms, prefixes };
                assert_eq!(Looker::read(caller.looking().trim()), looker);
            }
        }
        assert!(Looker::read("").may_within("a").is_err());
    }
}
