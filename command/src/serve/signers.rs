//! Those who sign tokens, and where their keys are had from. All else that has to be right about a token is decided in `lessor-service`.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lessor_service::{BODY, Kind};
use lessor_wire::Problem;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::access_log::AccessLog;
use super::signature::Key;

/// How long keys are good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    /// Before they are asked for anew, meanwhile.
    pub(crate) fresh: Duration,
    /// If nobody answers.
    pub(crate) lasting: Duration,
    /// How often they are asked for at most: for a key that is not among them, which anybody can name, or when nobody answers.
    pub(crate) pause: Duration,
    /// How long it may take to ask.
    pub(crate) limit: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(600),
            lasting: Duration::from_secs(86_400),
            pause: Duration::from_secs(3),
            limit: Duration::from_secs(5),
        }
    }
}

/// What of a token has to be verified, as `lessor-service` says it.
#[derive(Debug, Deserialize)]
pub(crate) struct How {
    issuer: usize,
    alg: String,
    kid: Option<String>,
}

/// The issuers, in the order of the setting.
#[derive(Debug, Default)]
pub(crate) struct Signers(Vec<Issuer>);

#[derive(Debug)]
struct Issuer {
    name: String,
    uri: Option<String>,
    state: Arc<Mutex<State>>,
    ages: Ages,
    log: AccessLog,
}

#[derive(Debug, Default)]
struct State {
    keys: Vec<Key>,
    /// When they came, and when they were asked for last.
    came: Option<Instant>,
    asked: Option<Instant>,
    /// Becomes true when there is an answer, or none will come.
    asking: Option<watch::Receiver<bool>>,
}

#[derive(Deserialize)]
struct Written {
    issuer: String,
    jwks_uri: Option<String>,
    jwks: Option<Set>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Signers {
    /// Of the setting `LESSOR_ISSUERS`, in which `lessor-service` found nothing wrong. Of an issuer that was there `before`, with its keys at
    /// the same place, they stay known: it may not answer just now.
    pub(crate) fn read(setting: Option<&str>, ages: Ages, before: Option<&Self>, log: &AccessLog) -> Self {
        let written: Vec<Written> = setting.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let known = |name: &str, uri: &Option<String>| {
            let mut known = before.into_iter().flat_map(|before| &before.0);
            known
                .find(|issuer| uri.is_some() && issuer.uri == *uri && issuer.name == name)
                .map(|issuer| issuer.state.clone())
        };
        let issuer = |Written { issuer: name, jwks_uri: uri, jwks }| {
            if let Some(state) = known(&name, &uri) {
                return Issuer { name, uri, state, ages, log: log.clone() };
            }
            let (keys, unusable) = Key::set(jwks.map(|set| set.keys).unwrap_or_default());
            say_unusable(log, "jwks", unusable);
            let state = Arc::new(Mutex::new(State { keys, ..State::default() }));
            Issuer { name, uri, state, ages, log: log.clone() }
        };
        Self(written.into_iter().map(issuer).collect())
    }

    /// Whether the signature is right.
    pub(crate) async fn verify(&self, how: &How, token: &str) -> Result<(), Problem> {
        let unknown = || Kind::Unauthenticated.because("the token's key is not known");
        let issuer = self.0.get(how.issuer).ok_or_else(unknown)?;
        let key = issuer.key(how).await?.ok_or_else(unknown)?;
        if key.has_signed(&how.alg, token) {
            return Ok(());
        }
        Err(Kind::Unauthenticated.because("the token's signature is not right"))
    }
}

impl Issuer {
    async fn key(&self, how: &How) -> Result<Option<Key>, Problem> {
        let began = Instant::now();
        let Some(uri) = &self.uri else { return Ok(self.lock().find(how)) };
        let (mut found, asking) = {
            let mut state = self.lock();
            if state.came.is_none_or(|came| began.duration_since(came) > self.ages.fresh) {
                self.ask(&mut state, uri, began);
            }
            if state.came.is_none_or(|came| began.duration_since(came) > self.ages.lasting) {
                state.keys.clear();
            }
            let found = state.find(how);
            if found.is_none() {
                self.ask(&mut state, uri, began);
            }
            (found, state.asking.clone())
        };
        if found.is_none() {
            if let Some(mut asking) = asking {
                let _ = timeout(self.ages.limit, asking.wait_for(|over| *over)).await;
            }
            let state = self.lock();
            found = state.find(how);
            // Nobody knows whether there is such a key: that passes, and a leader asks again.
            if found.is_none() && state.came.is_none_or(|came| came < began) {
                let detail = "the token's key is not among those that were had from its issuer last";
                return Err(Problem::new("unverifiable", 503, detail));
            }
        }
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the keys, unless that was done just now.
    fn ask(&self, state: &mut State, uri: &str, now: Instant) {
        if state.asked.is_some_and(|asked| now.duration_since(asked) < self.ages.pause) {
            return;
        }
        state.asked = Some(now);
        let (over, asking) = watch::channel(false);
        state.asking = Some(asking);
        let (uri, limit, log, shared) = (uri.to_owned(), self.ages.limit, self.log.clone(), self.state.clone());
        tokio::spawn(async move {
            let from = uri.clone();
            let loaded =
                spawn_blocking(move || load(&from, limit)).await.unwrap_or_else(|error| Err(error.to_string()));
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match loaded {
                Ok((keys, unusable)) => {
                    say_unusable(&log, &uri, unusable);
                    state.keys = keys;
                    state.came = Some(Instant::now());
                }
                // Those that there were stay.
                Err(error) => log.say(&format!("LESSOR_ISSUERS: no keys were had from {uri}: {error}")),
            }
            drop(state);
            let _ = over.send(true);
        });
    }
}

impl State {
    /// The key of this name; without a name the only one of its kind.
    fn find(&self, how: &How) -> Option<Key> {
        let mut found = self.keys.iter().filter(|key| key.fits(&how.alg, how.kid.as_deref()));
        let key = found.next()?;
        (how.kid.is_some() || found.next().is_none()).then(|| key.clone())
    }
}

fn say_unusable(log: &AccessLog, of: &str, count: usize) {
    if count > 0 {
        log.say(&format!("LESSOR_ISSUERS: {count} keys of {of} cannot be used: RSA has 2,048 to 8,192 bits, P-256 and Ed25519 32 bytes"));
    }
}

fn load(uri: &str, limit: Duration) -> Result<(Vec<Key>, usize), String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(limit)).max_redirects(0).http_status_as_error(false);
    // A proxy has no way to what is on this machine, and what it has on its own is somebody else's.
    let config = if is_of_this_machine(uri) { config.proxy(None) } else { config };
    let agent = config.build().new_agent();
    let mut answer = agent.get(uri).header("accept", "application/json").call().map_err(|error| error.to_string())?;
    if answer.status() != 200 {
        return Err(format!("it answers {}", answer.status()));
    }
    let text =
        answer.body_mut().with_config().limit(BODY as u64).read_to_string().map_err(|error| error.to_string())?;
    let set: Set = serde_json::from_str(&text).map_err(|_| "it answers without an array `keys`".to_owned())?;
    Ok(Key::set(set.keys))
}

fn is_of_this_machine(uri: &str) -> bool {
    let uri: Option<hyper::Uri> = uri.parse().ok();
    uri.as_ref().and_then(hyper::Uri::host).is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}
