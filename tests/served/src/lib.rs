//! What each server of the HTTP API has to do: the Worker on Durable Objects, and `lessor serve` over any storage. Each of the tests here is run
//! with both.

#![allow(clippy::missing_panics_doc, reason = "a test that cannot go on panics")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::time::Duration;

use lessor::{SystemTimer, Timer};
use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue};

pub mod budgets;
pub mod clients;
pub mod hostile;
pub mod issuer;
pub mod service;
mod socket;
pub mod tokens;
pub mod watch;

pub use socket::Socket;

/// A token that may do everything.
pub const ADMIN: &str = "admin-token-for-tests-0123456789";
/// A token that may campaign.
pub const CANDIDATE: &str = "candidate-token-for-tests-012345";
/// A token that may campaign for keys that begin with `team-a/`.
pub const TEAM: &str = "team-token-for-tests-0123456789a";
/// A token that may look.
pub const READER: &str = "reader-token-for-tests-012345678";
/// A token of the second secret.
pub const NEXT: &str = "next-token-for-tests-0123456789a";

/// What a server is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The secret of that name; `None`: it is not set.
    pub tokens: Option<String>,
    /// Variables.
    pub vars: Vec<(&'static str, String)>,
}

impl Default for Config {
    /// All tokens, and ttls from 100 ms on so that tests need not wait long.
    fn default() -> Self {
        // The contract of a storage knows no bound of what was seen before.
        let limits = "{\"ahead\": 9007199254740991}";
        let token =
            |token: &str, role: &str| format!("{{\"token\": \"{token}\", \"role\": \"{role}\", \"limits\": {limits}}}");
        let team = format!("{{\"token\": \"{TEAM}\", \"role\": \"candidate\", \"prefixes\": [\"team-a/\"]}}");
        let tokens = [token(ADMIN, "admin"), token(CANDIDATE, "candidate"), token(READER, "read"), team].join(", ");
        let next = format!("[{}]", token(NEXT, "candidate"));
        Self {
            tokens: Some(format!("[{tokens}]")),
            vars: vec![("LESSOR_TOKENS_NEXT", next), ("LESSOR_MIN_TTL_MS", "100".into())],
        }
    }
}

/// A server that runs until it is dropped.
pub trait Server: Send + Sync {
    /// Where it serves.
    fn url(&self) -> String;

    /// Ends the process at once, without a word, and starts another one on the same port with the same state.
    fn kill_and_restart(&mut self);

    /// An answer to a request that may be anything.
    fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Answer {
        call(&self.url(), method, path, token, body)
    }
}

impl<S: Server + ?Sized> Server for Box<S> {
    fn url(&self) -> String {
        (**self).url()
    }

    fn kill_and_restart(&mut self) {
        (**self).kill_and_restart();
    }
}

/// Starts a server, with nothing in its storage.
pub type Start = dyn Fn(&Config) -> Box<dyn Server>;

/// A test for each of these functions of a module.
#[macro_export]
macro_rules! of {
    ($start:path, $module:ident, $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                $crate::$module::$name(&$start);
            }
        )*
    };
}

/// Those of [`mod@service`], of servers that this function starts.
#[macro_export]
macro_rules! service {
    ($start:path) => {
        $crate::of!(
            $start,
            service,
            keeps_the_contract,
            who_may_do_what,
            limits_are_named,
            a_lease_is_handed_over,
            who_waits_is_known,
            a_lease_is_revoked,
            a_batch_of_all_kinds,
            survives_kill,
            check_says_what_is_wrong
        );
    };
}

/// Those of [`mod@watch`], of servers that this function starts.
#[macro_export]
macro_rules! watch {
    ($start:path) => {
        $crate::of!($start, watch, states_and_changes, limits_of_a_watch, keys_are_listed);
    };
}

/// Those of [`mod@budgets`], of servers that this function starts.
#[macro_export]
macro_rules! budgets {
    ($start:path) => {
        $crate::of!($start, budgets, requests, sockets, messages, lookups, keys, terms, who_only_looks_takes_no_lease);
    };
}

/// Those of [`mod@tokens`], of servers that this function starts.
#[macro_export]
macro_rules! tokens {
    ($start:path) => {
        $crate::of!(
            $start,
            tokens,
            good_tokens,
            long_bodies,
            bad_tokens,
            pages_of_others_have_no_assertion,
            keys_rotate,
            key_servers_that_fail,
            sockets_end,
            sockets_end_again_and_again,
            limits,
            a_thousand_hostile_tokens
        );
    };
}

/// Those of [`mod@clients`], of servers that this function starts.
#[macro_export]
macro_rules! clients {
    ($start:path) => {
        $crate::of!($start, clients, a_term_outlives_many_tokens, sockets_come_again, a_token_in_a_file);
    };
}

/// Those of [`mod@hostile`], of servers that this function starts.
#[macro_export]
macro_rules! hostile {
    ($start:path) => {
        $crate::of!($start, hostile, ten_thousand_hostile_requests);
    };
}

/// The answer of a server to a request that may be anything.
pub fn call(url: &str, method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Answer {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(body.unwrap_or_default().to_owned()).expect("a request");
    let mut response = agent.run(request).expect("an answer");
    let text =
        |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap_or_default().to_owned());
    let headers = response.headers().iter().map(text).collect();
    let text = response.body_mut().read_to_string().expect("a body");
    Answer { status: response.status().as_u16(), headers, text }
}

/// Looks again until it is so: what happens in another process comes when it comes.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        pause(Duration::from_millis(50));
    }
    panic!("not within 30 s: {what}");
}

/// Lets this much time pass.
pub fn pause(time: Duration) {
    futures::executor::block_on(SystemTimer::new().sleep(time));
}

/// How long a renewal may take, as a rule, where others are to be hardly noticed: a lease of three seconds would be held.
pub const HARDLY_NOTICED: Duration = Duration::from_millis(2_500);

/// What comes of it, and how long it took.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let timer = SystemTimer::new();
    let began = timer.now();
    let done = act();
    (done, timer.now().saturating_duration_since(began))
}

/// The one in the middle: a machine that stands still for once is not what was measured.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// What the service said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, with names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
