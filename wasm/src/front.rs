//! The HTTP API, version 1 (`API.md`), as lines of text: `service.js` carries out what is decided here.

use lessor::Key;
use lessor_service::{Asked, Batch, Kind, Listing, Plan, Service, Variables};
use lessor_wire::{Problem, WireList};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::errand::ASK;

fn asked(request: &str) -> Asked<'_> {
    let mut lines = request.splitn(8, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, url) = (line(), line());
    let mut header = || Some(line()).filter(|value| !value.is_empty());
    let (authorization, protocols, upgrade, media_type) = (header(), header(), header(), header());
    let fits = line().is_empty();
    let body = Some(line()).filter(|_| fits);
    Asked { method, url, authorization, protocols, upgrade, media_type, body }
}

/// The HTTP API, for `service.js`.
#[wasm_bindgen]
pub struct Front(Result<Service, String>);

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
        Self(Service::read(Variables {
            tokens: tokens.as_deref(),
            tokens_next: tokens_next.as_deref(),
            issuers: issuers.as_deref(),
            min_ttl_ms: min_ttl_ms.as_deref(),
            max_ttl_ms: max_ttl_ms.as_deref(),
            shards: shards.as_deref(),
        }))
    }

    /// What is wrong with the settings, for the log.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        self.0.as_ref().err().cloned()
    }

    /// Whether somebody has this token, as far as is known without verifying it.
    #[must_use]
    pub fn knows(&self, now_ms: f64, authorization: &str) -> bool {
        self.0.as_ref().is_ok_and(|service| service.knows(now_ms, authorization))
    }

    /// Takes a token whose signature was verified, as a plan of [`admit`](Self::admit) said: nothing, or a refusal as that has it.
    #[must_use]
    pub fn verified(&self, now_ms: f64, token: &str) -> Option<String> {
        self.0.as_ref().ok()?.verified(now_ms, token).err().map(|problem| refusal(&problem))
    }

    /// What to do about a request: lines, the first of them a word.
    ///
    /// The request is lines, too: method, path and query, `Authorization`, sub-protocols, `Upgrade`, media type, whether it is too
    /// long; what is left is the body. Each text that crosses from JavaScript costs a microsecond.
    #[must_use]
    pub fn admit(&self, now_ms: f64, request: &str) -> String {
        let plan = match &self.0 {
            Ok(service) => service.admit(now_ms, asked(request)),
            Err(_) => Err(Kind::Unconfigured.because("the service has no valid tokens and limits: see its log")),
        };
        match plan {
            Err(problem) => refusal(&problem),
            Ok(Plan::Page) => "page".to_owned(),
            Ok(Plan::Verify(how, token)) => format!("verify\n{how}\n{token}"),
            Ok(Plan::About(about)) => format!("about\n{about}"),
            Ok(Plan::Watch(looker)) => format!("watch\n{looker}"),
            Ok(Plan::List(Listing { list, after, .. }, looker)) => {
                let after = after.as_ref().map_or("", Key::as_str);
                format!("list\n{looker}\n{after}\n{}", text(&WireList::from(list)))
            }
            Ok(Plan::Errand(name, errand, key)) => format!("one\n{name}\n{}\n\n{key}", errand.as_str()),
            Ok(Plan::One(name, request, owner)) => format!("one\n{name}\n{ASK}\n{owner}\n{}", text(&[request])),
            Ok(Plan::Ask(Batch { places, objects, looker, .. }, owner)) => {
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
