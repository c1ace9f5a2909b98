//! The HTTP API, version 1, without its I/O: checks who asks what, says what to ask of whom, and how the answers are put together.

use lessor::Key;
use lessor::storage::{Get, Request};
use lessor_wire::{Problem, WireRequest};
use serde::Serialize;

use crate::access::{Given, Tokens, percent_decoded, token_of};
use crate::batch::{Batch, wire};
use crate::caller::{Caller, Role};
use crate::json;
use crate::limits::{BODY, Ttl};
use crate::listing::Listing;
use crate::path::{needed, path_of};
use crate::problem::Kind;
use crate::route::Layout;

/// A request, as far as it matters. What is missing is `None`.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "whoever serves has to fill in each of these")]
pub struct Asked<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path and the query, as they are in the request.
    pub url: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Sec-WebSocket-Protocol`.
    pub protocols: Option<&'a str>,
    /// The header `Upgrade`.
    pub upgrade: Option<&'a str>,
    /// The header `Content-Type`.
    pub media_type: Option<&'a str>,
    /// `None`: it is too long.
    pub body: Option<&'a str>,
}

/// What to do about a request.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "whoever serves has to carry out each of these")]
pub enum Plan {
    /// Show the status page.
    Page,
    /// Have the signature of this token verified, in this way, and ask again.
    Verify(String, String),
    /// Say this, and how keys are spread over objects.
    About(String),
    /// Ask the object of this name one thing, for this owner of keys: the answer is its answer.
    One(String, WireRequest, String),
    /// An errand about this key, to the object of this name: the answer is its answer.
    Errand(String, Errand, Key),
    /// Ask many things, for this owner of keys.
    Ask(Batch, String),
    /// Connect it to those who watch, as who may look at this.
    Watch(String),
    /// List keys, for who may look at this.
    List(Listing, String),
}

/// What is asked of an object besides requests to a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "whoever serves has to do each of these")]
pub enum Errand {
    /// The changes of hands of a key.
    History,
    /// Who waits for a key.
    Waiting,
    /// Nobody may hold the key: it is listed no more.
    Forget,
}

impl Errand {
    /// Its name in the path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Waiting => "waiting",
            Self::Forget => "forget",
        }
    }
}

type Answered<T> = Result<T, Problem>;

#[derive(Serialize)]
struct About<'a> {
    version: u32,
    #[serde(flatten)]
    caller: &'a Caller,
    /// Until the token ends, if it does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_left_ms: Option<u64>,
    min_ttl_ms: u64,
    max_ttl_ms: u64,
}

/// The texts of secrets and variables, as the API names them.
#[derive(Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "a new variable is to be known to whoever reads them")]
pub struct Variables<'a> {
    /// `LESSOR_TOKENS`.
    pub tokens: Option<&'a str>,
    /// `LESSOR_TOKENS_NEXT`.
    pub tokens_next: Option<&'a str>,
    /// `LESSOR_ISSUERS`.
    pub issuers: Option<&'a str>,
    /// `LESSOR_MIN_TTL_MS`.
    pub min_ttl_ms: Option<&'a str>,
    /// `LESSOR_MAX_TTL_MS`.
    pub max_ttl_ms: Option<&'a str>,
    /// `LESSOR_SHARDS`.
    pub shards: Option<&'a str>,
}

/// No secret is shown.
impl core::fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

/// Who may ask what: the rules of the service.
///
/// Time is an argument: `now_ms` is the reading of a clock that knows when tokens end, in ms since 1970.
#[derive(Debug)]
pub struct Service {
    tokens: Tokens,
    ttl: Ttl,
    layout: Layout,
}

impl Service {
    /// By these settings.
    ///
    /// # Errors
    /// What is wrong with them, for the owner's log: it shows no secret.
    pub fn read(variables: Variables<'_>) -> Result<Self, String> {
        let Variables { tokens, tokens_next, issuers, min_ttl_ms, max_ttl_ms, shards } = variables;
        Ok(Self {
            tokens: Tokens::read([tokens, tokens_next], issuers)?,
            ttl: Ttl::read(min_ttl_ms, max_ttl_ms)?,
            layout: Layout::read(shards)?,
        })
    }

    /// Whether somebody has this token, as far as is known without verifying it.
    #[must_use]
    pub fn knows(&self, now_ms: f64, authorization: &str) -> bool {
        self.tokens.given(Some(authorization), now_ms).is_ok_and(|given| given.is_known())
    }

    /// The name of whoever has this token, as far as is known without verifying it: for a log. `authorization` and `protocols` are those of
    /// [`Asked`].
    #[must_use]
    pub fn name_of(&self, now_ms: f64, authorization: Option<&str>, protocols: Option<&str>) -> Option<String> {
        let of_socket = protocols.and_then(token_of);
        match self.tokens.given(authorization.or(of_socket.as_deref()), now_ms) {
            Ok(Given::Known(asker)) => Some(asker.caller().name.clone()),
            _ => None,
        }
    }

    /// Takes a token whose signature was verified, as [`Plan::Verify`] said: from now on it is known.
    ///
    /// # Errors
    /// It is not valid any more, or for nobody.
    pub fn verified(&self, now_ms: f64, token: &str) -> Result<(), Problem> {
        self.tokens.verified(token, now_ms)
    }

    /// What to do about a request.
    ///
    /// # Errors
    /// Why nothing is.
    pub fn admit(&self, now_ms: f64, asked: Asked<'_>) -> Result<Plan, Problem> {
        let (path, query) = path_of(asked.url);
        if path == "/" {
            return expect(asked, "GET").map(|()| Plan::Page);
        }
        let of_socket = asked.protocols.and_then(token_of);
        let asker = match self.tokens.given(asked.authorization.or(of_socket.as_deref()), now_ms)? {
            Given::Known(asker) => asker,
            Given::Unverified(unverified) => {
                return written(&unverified).map(|how| Plan::Verify(how, unverified.token.to_owned()));
            }
        };
        asker.spend(1, now_ms)?;
        let caller = asker.caller();
        let mut parts = path.split('/');
        if (parts.next(), parts.next()) != (Some(""), Some("v1")) {
            return Err(Kind::NotFound.because("the API is under /v1"));
        }
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None | Some(""), None, None, None) => {
                expect(asked, "GET")?;
                let Ttl { min_ms, max_ms } = self.ttl;
                let time_left_ms = caller.ends_ms.map(|ends_ms| ends_ms.saturating_sub(now_ms as u64));
                let about = About { version: 1, caller, time_left_ms, min_ttl_ms: min_ms, max_ttl_ms: max_ms };
                written(&about).map(Plan::About)
            }
            (Some("batch"), None, None, None) => {
                expect(asked, "POST")?;
                let requests = json::read_each::<WireRequest>(body(asked)?).map_err(unfit)?;
                asker.spend(requests.len().saturating_sub(1), now_ms)?;
                let batch = Batch::of(caller, requests, self.ttl, self.layout)?;
                Ok(Plan::Ask(batch, caller.owner()))
            }
            (Some("watch"), None, None, None) => {
                expect(asked, "GET")?;
                if asked.upgrade.is_none_or(|protocol| !protocol.eq_ignore_ascii_case("websocket")) {
                    return Err(Kind::UpgradeRequired.because("watch is a WebSocket"));
                }
                Ok(Plan::Watch(caller.looking()))
            }
            (Some("keys"), None | Some(""), None, None) => {
                expect(asked, "GET")?;
                let listing = Listing::read(query)?;
                caller.may_within(Role::Read, &listing.list.prefix)?;
                Ok(Plan::List(listing, caller.looking()))
            }
            (Some("keys"), Some(key), operation, None) => self.on_key(caller, asked, key_of(key)?, operation),
            _ => Err(Kind::NotFound.because("there is /v1, /v1/batch, /v1/watch, /v1/keys and /v1/keys/{key}")),
        }
    }

    fn on_key(&self, caller: &Caller, asked: Asked<'_>, key: Key, operation: Option<&str>) -> Answered<Plan> {
        let Some((method, role)) = needed(operation) else {
            return Err(Kind::NotFound.because("a key has acquire, renew, release, revoke, forget, history, waiting"));
        };
        expect(asked, method)?;
        caller.may(role, &key)?;
        let object = self.layout.object(&key);
        let request: Request = match operation {
            Some("history") => return Ok(Plan::Errand(object, Errand::History, key)),
            Some("waiting") => return Ok(Plan::Errand(object, Errand::Waiting, key)),
            Some("forget") => return Ok(Plan::Errand(object, Errand::Forget, key)),
            Some(operation) => json::read_about(&key, operation, body(asked)?).map_err(unfit)?.into(),
            None => Get::new(key).into(),
        };
        self.ttl.check(&request)?;
        wire(request).map(|request| Plan::One(object, request, caller.owner()))
    }
}

fn expect(asked: Asked<'_>, method: &str) -> Answered<()> {
    if asked.method == method {
        return Ok(());
    }
    Err(Kind::MethodNotAllowed.because(format!("the method has to be {method}")))
}

fn decode(text: &str, what: &str) -> Answered<String> {
    percent_decoded(text).ok_or_else(|| Kind::Invalid.because(format!("{what} is not UTF-8, percent-encoded")))
}

fn key_of(part: &str) -> Answered<Key> {
    Key::new(decode(part, "the key in the path")?).map_err(|error| Kind::Invalid.because(error.to_string()))
}

fn unfit(error: json::Unread) -> Problem {
    Kind::Invalid.because(format!("the body is not as it should be: {error}"))
}

fn body(asked: Asked<'_>) -> Answered<&str> {
    let media_type = asked.media_type.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(Kind::UnsupportedMediaType.because("the content type has to be application/json"));
    }
    let too_large = || Kind::TooLarge.because(format!("the body has more than {BODY} bytes"));
    asked.body.filter(|body| body.len() <= BODY).ok_or_else(too_large)
}

fn written(value: &impl Serialize) -> Answered<String> {
    json::write(value, |what| Kind::Failed.because(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has a token is known by name, whichever way it is given.
    #[test]
    fn names() {
        let tokens = r#"[{"token": "admin-0123456789-abcdef", "role": "admin", "name": "ops"}]"#;
        let service = Service::read(Variables { tokens: Some(tokens), ..Variables::default() }).unwrap();
        let name = |authorization, protocols| service.name_of(0.0, authorization, protocols);
        assert_eq!(name(Some("Bearer admin-0123456789-abcdef"), None).as_deref(), Some("ops"));
        assert_eq!(name(None, Some("lessor.v1, lessor.bearer.admin-0123456789-abcdef")).as_deref(), Some("ops"));
        assert_eq!((name(None, None), name(Some("Bearer nobodys-0123456789-abcd"), None)), (None, None));
    }
}
