//! The HTTP API, version 1 (`API.md`), without its I/O: checks who asks what, says which objects to ask, and how
//! their answers are put together. `service.js` carries it out.

use lessor::Key;
use lessor::storage::{Get, Request};
use lessor_wire::{Problem, WireList, WireRequest};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::access::{Given, Tokens, percent_decoded, token_of};
use crate::batch::{Batch, wire};
use crate::caller::{Caller, Role};
use crate::errand::{ASK, FORGET, HISTORY, WAITING};
use crate::json;
use crate::limits::{BODY, Ttl};
use crate::listing::Listing;
use crate::problem::Kind;
use crate::route::Layout;

/// A request, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) protocols: Option<&'a str>,
    pub(crate) upgrade: Option<&'a str>,
    pub(crate) media_type: Option<&'a str>,
    /// `None`: it is too long.
    pub(crate) body: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(request: &'a str) -> Self {
        let mut lines = request.splitn(8, '\n');
        let mut line = || lines.next().unwrap_or_default();
        let (method, url) = (line(), line());
        let mut header = || Some(line()).filter(|value| !value.is_empty());
        let (authorization, protocols, upgrade, media_type) = (header(), header(), header(), header());
        let fits = line().is_empty();
        let body = Some(line()).filter(|_| fits);
        Self { method, url, authorization, protocols, upgrade, media_type, body }
    }
}

/// What to do about a request.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Show the status page.
    Page,
    /// Have the signature of this token verified, in this way, and ask again.
    Verify(String, String),
    /// Say this, and how keys are spread over objects.
    About(String),
    /// Ask the object of this name one thing, for this owner of keys: the answer is its answer.
    One(String, WireRequest, String),
    /// An errand about this key, to the object of this name: the answer is its answer.
    Errand(String, &'static str, Key),
    /// Ask many things, for this owner of keys.
    Ask(Batch, String),
    /// Connect it to those who watch, as who may look at this.
    Watch(String),
    /// List keys, for who may look at this.
    List(Listing, String),
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

pub(crate) struct Settings {
    pub(crate) tokens: Tokens,
    pub(crate) ttl: Ttl,
    pub(crate) layout: Layout,
}

impl Settings {
    pub(crate) fn admit(&self, asked: Asked<'_>, now_ms: f64) -> Answered<Plan> {
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
        let (method, role) = match operation {
            None | Some("history" | "waiting") => ("GET", Role::Read),
            Some("acquire" | "renew" | "release") => ("POST", Role::Candidate),
            Some("revoke" | "forget") => ("POST", Role::Admin),
            _ => {
                return Err(
                    Kind::NotFound.because("a key has acquire, renew, release, revoke, forget, history, waiting")
                );
            }
        };
        expect(asked, method)?;
        caller.may(role, &key)?;
        let object = self.layout.object(&key);
        let request: Request = match operation {
            Some("history") => return Ok(Plan::Errand(object, HISTORY, key)),
            Some("waiting") => return Ok(Plan::Errand(object, WAITING, key)),
            Some("forget") => return Ok(Plan::Errand(object, FORGET, key)),
            Some(operation) => json::read_about(&key, operation, body(asked)?).map_err(unfit)?.into(),
            None => Get::new(key).into(),
        };
        self.ttl.check(&request)?;
        wire(request).map(|request| Plan::One(object, request, caller.owner()))
    }
}

/// The path, and the query.
fn path_of(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
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

/// The HTTP API, for `service.js`.
#[wasm_bindgen]
pub struct Front(Result<Settings, String>);

impl core::fmt::Debug for Front {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Front").field("complaint", &self.complaint()).finish_non_exhaustive()
    }
}

#[wasm_bindgen]
impl Front {
    /// From the texts of secrets and variables.
    #[wasm_bindgen(constructor)]
    pub fn new(
        tokens: Option<String>,
        tokens_next: Option<String>,
        issuers: Option<String>,
        min_ttl_ms: Option<String>,
        max_ttl_ms: Option<String>,
        shards: Option<String>,
    ) -> Self {
        let secrets: Vec<_> = [tokens, tokens_next].into_iter().flatten().collect();
        let settings = || {
            Ok(Settings {
                tokens: Tokens::read(&secrets, issuers.as_deref())?,
                ttl: Ttl::read(min_ttl_ms.as_deref(), max_ttl_ms.as_deref())?,
                layout: Layout::read(shards.as_deref())?,
            })
        };
        Self(settings())
    }

    /// What is wrong with the settings, for the log.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        self.0.as_ref().err().cloned()
    }

    /// Whether somebody has this token, as far as is known without verifying it.
    #[must_use]
    pub fn knows(&self, now_ms: f64, authorization: &str) -> bool {
        let settings = self.0.as_ref().ok();
        let given = settings.and_then(|settings| settings.tokens.given(Some(authorization), now_ms).ok());
        given.is_some_and(|given| given.is_known())
    }

    /// Takes a token whose signature was verified, as a plan of [`admit`](Self::admit) said: nothing, or a refusal as that has it.
    #[must_use]
    pub fn verified(&self, now_ms: f64, token: &str) -> Option<String> {
        let settings = self.0.as_ref().ok()?;
        settings.tokens.verified(token, now_ms).err().map(|problem| refusal(&problem))
    }

    /// What to do about a request: lines, the first of them a word.
    ///
    /// The request is lines, too: method, path and query, `Authorization`, sub-protocols, `Upgrade`, media type, whether it is too
    /// long; what is left is the body. Each text that crosses from JavaScript costs a microsecond.
    #[must_use]
    pub fn admit(&self, now_ms: f64, request: &str) -> String {
        let plan = match &self.0 {
            Ok(settings) => settings.admit(Asked::read(request), now_ms),
            Err(_) => Err(Kind::Unconfigured.because("the service has no valid tokens and limits: see its log")),
        };
        match plan {
            Err(problem) => refusal(&problem),
            Ok(Plan::Page) => "page".to_owned(),
            Ok(Plan::Verify(how, token)) => format!("verify\n{how}\n{token}"),
            Ok(Plan::About(about)) => format!("about\n{about}"),
            Ok(Plan::Watch(looker)) => format!("watch\n{looker}"),
            Ok(Plan::List(Listing { list, after }, looker)) => {
                let after = after.as_ref().map_or("", Key::as_str);
                format!("list\n{looker}\n{after}\n{}", text(&WireList::from(list)))
            }
            Ok(Plan::Errand(name, errand, key)) => format!("one\n{name}\n{errand}\n\n{key}"),
            Ok(Plan::One(name, request, owner)) => format!("one\n{name}\n{ASK}\n{owner}\n{}", text(&[request])),
            Ok(Plan::Ask(Batch { places, objects, looker }, owner)) => {
                let mut asks = format!("ask\n{owner}\n{looker}\n{}", text(&places));
                for (name, asked) in objects {
                    let (places, requests): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
                    asks.extend(["\n", &name, "\n", &text(&places), "\n", &text(&requests)]);
                }
                asks
            }
        }
    }
}

fn text(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The status, the problem, and in how many s it may be asked again.
fn refusal(problem: &Problem) -> String {
    let wait = problem.retry_after_ms.map(|wait_ms| wait_ms.div_ceil(1_000).to_string());
    format!("answer\n{}\n{}\n{}", problem.status, text(problem), wait.unwrap_or_default())
}
