//! The HTTP API, version 1 (`API.md`): checks who asks and what, and passes it on to the objects.

use std::collections::BTreeMap;

use futures::future::join_all;
use lessor::wire::{Ask, Claim, Problem, Secret, Told};
use lessor::{Key, Term};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use worker::{Env, Method, Request, Response, ResponseBuilder, Result};

use crate::access::{Caller, Role, Tokens};
use crate::call;
use crate::limits::{ASKS, BODY, Ttl};
use crate::object::Errand;
use crate::problem::{self, Kind};
use crate::route::Layout;

/// Answers a request to the service.
///
/// # Errors
/// Only where no answer can be made at all.
pub async fn handle(request: Request, env: &Env, layout: Layout) -> Result<Response> {
    match (Service { env, layout }).serve(request).await {
        Ok(body) => Ok(ResponseBuilder::new()
            .with_header("content-type", "application/json")?
            .with_header("cache-control", "no-store")?
            .with_header("x-content-type-options", "nosniff")?
            .fixed(body)),
        Err(problem) => problem::answer(&problem),
    }
}

/// A claim and a term in one object. Unknown fields are refused, which serde cannot do through a flattened one.
fn renewal(mut body: serde_json::Map<String, serde_json::Value>) -> serde_json::Result<(Claim, Term)> {
    let term = serde_json::from_value(body.remove("term").unwrap_or_default())?;
    Ok((serde_json::from_value(body.into())?, term))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    session: Secret,
}

#[derive(Serialize)]
struct About<'a> {
    version: u32,
    role: Role,
    prefixes: Option<&'a [String]>,
    min_ttl_ms: u64,
    max_ttl_ms: u64,
}

struct Service<'a> {
    env: &'a Env,
    layout: Layout,
}

type Body = core::result::Result<Vec<u8>, Problem>;

impl Service<'_> {
    async fn serve(&self, mut request: Request) -> Body {
        let secrets: Vec<_> = ["LESSOR_TOKENS", "LESSOR_TOKENS_NEXT"]
            .into_iter()
            .filter_map(|name| self.env.secret(name).ok().map(|secret| secret.to_string()))
            .collect();
        let tokens = Tokens::read(&secrets)?;
        let authorization = request.headers().get("authorization").ok().flatten();
        let caller = tokens.caller(authorization.as_deref())?;
        let path = request.path();
        let mut parts = path.trim_start_matches('/').split('/');
        if parts.next() != Some("v1") {
            return Err(Kind::NotFound.because("the API is under /v1"));
        }
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None | Some(""), None, None, None) => {
                expect(&request, &Method::Get)?;
                self.about(&caller)
            }
            (Some("batch"), None, None, None) => {
                expect(&request, &Method::Post)?;
                let asks: Vec<Ask> = read(&mut request).await?;
                self.batch(&caller, asks).await
            }
            (Some("keys"), Some(key), operation, None) => {
                let key = key_of(key)?;
                self.on_key(&caller, request, key, operation).await
            }
            _ => Err(Kind::NotFound.because("there is /v1, /v1/batch and /v1/keys/{key}")),
        }
    }

    fn about(&self, caller: &Caller) -> Body {
        let Ttl { min_ms, max_ms } = Ttl::read(self.env)?;
        json(&About {
            version: 1,
            role: caller.role,
            prefixes: caller.prefixes.as_deref(),
            min_ttl_ms: min_ms,
            max_ttl_ms: max_ms,
        })
    }

    async fn on_key(&self, caller: &Caller, mut request: Request, key: Key, operation: Option<&str>) -> Body {
        let method = if matches!(operation, None | Some("history")) { Method::Get } else { Method::Post };
        let role = match operation {
            None | Some("history") => Role::Read,
            Some("acquire" | "renew" | "release") => Role::Candidate,
            Some("revoke") => Role::Admin,
            _ => return Err(Kind::NotFound.because("a key has acquire, renew, release, revoke, history")),
        };
        expect(&request, &method)?;
        caller.may(role, &key)?;
        let ask = match operation {
            Some("acquire") => Ask::Acquire { claim: read(&mut request).await?, key },
            Some("renew") => {
                let (claim, term) = renewal(read(&mut request).await?).map_err(|error| unfit(&error))?;
                Ask::Renew { key, claim, term }
            }
            Some("release") => Ask::Release { session: read::<Release>(&mut request).await?.session, key },
            Some("revoke") => return self.errand(&key.clone(), Errand::Revoke(key)).await,
            Some("history") => return self.errand(&key.clone(), Errand::History(key)).await,
            _ => Ask::Get { key },
        };
        let told = self.ask(vec![ask]).await?.pop();
        match told {
            Some(Told::Failed(problem)) => Err(problem),
            Some(told) => json(&told),
            None => Err(Kind::Failed.because("the object did not answer")),
        }
    }

    async fn batch(&self, caller: &Caller, asks: Vec<Ask>) -> Body {
        if asks.len() > ASKS {
            return Err(Kind::TooLarge.because(format!("{} operations, allowed are {ASKS}", asks.len())));
        }
        for ask in &asks {
            let role = if matches!(ask, Ask::Get { .. }) { Role::Read } else { Role::Candidate };
            caller.may(role, ask.key())?;
        }
        json(&self.ask(asks).await?)
    }

    async fn errand(&self, key: &Key, errand: Errand) -> Body {
        call::object(self.env, &self.layout.object(key), &errand).await
    }

    /// One request to each object that holds one of the keys. An object that fails is no verdict on the others.
    async fn ask(&self, asks: Vec<Ask>) -> core::result::Result<Vec<Told>, Problem> {
        let ttl = Ttl::read(self.env)?;
        asks.iter().try_for_each(|ask| ttl.check(ask))?;
        let mut seen = std::collections::BTreeSet::new();
        let mut told: Vec<_> = asks.iter().map(|_| None).collect();
        let mut objects: BTreeMap<String, (Vec<usize>, Vec<Ask>)> = BTreeMap::new();
        for (place, ask) in asks.into_iter().enumerate() {
            if !seen.insert(ask.key().clone()) {
                let detail = format!("key {:?} occurs more than once in the batch", ask.key().as_str());
                if let Some(told) = told.get_mut(place) {
                    *told = Some(Told::Failed(Kind::Invalid.because(detail)));
                }
                continue;
            }
            let (places, asks) = objects.entry(self.layout.object(ask.key())).or_default();
            places.push(place);
            asks.push(ask);
        }
        let answers = objects.into_iter().map(|(object, (places, asks))| async move {
            let count = asks.len();
            let told =
                call::ask(self.env, &object, asks).await.unwrap_or_else(|problem| vec![Told::Failed(problem); count]);
            (places, told)
        });
        for (places, answers) in join_all(answers).await {
            for (place, answer) in places.into_iter().zip(answers) {
                if let Some(told) = told.get_mut(place) {
                    *told = Some(answer);
                }
            }
        }
        let missing = || Told::Failed(Kind::Failed.because("the object did not answer"));
        Ok(told.into_iter().map(|told| told.unwrap_or_else(missing)).collect())
    }
}

fn expect(request: &Request, method: &Method) -> core::result::Result<(), Problem> {
    if request.method() == *method {
        return Ok(());
    }
    Err(Kind::MethodNotAllowed.because(format!("the method has to be {}", method.as_ref())))
}

fn key_of(part: &str) -> core::result::Result<Key, Problem> {
    let text = percent_encoding::percent_decode_str(part).decode_utf8();
    let text = text.map_err(|_| Kind::Invalid.because("the key in the path is not UTF-8"))?;
    Key::new(text).map_err(|error| Kind::Invalid.because(error.to_string()))
}

async fn read<T: DeserializeOwned>(request: &mut Request) -> core::result::Result<T, Problem> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let media_type = header("content-type").unwrap_or_default();
    if !media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Kind::UnsupportedMediaType.because("the content type has to be application/json"));
    }
    let too_large = || Kind::TooLarge.because(format!("the body has more than {BODY} bytes"));
    if header("content-length").and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > BODY as u64)
    {
        return Err(too_large());
    }
    let body = request.bytes().await.map_err(|_| Kind::Invalid.because("the body did not arrive"))?;
    if body.len() > BODY {
        return Err(too_large());
    }
    serde_json::from_slice(&body).map_err(|error| unfit(&error))
}

fn unfit(error: &serde_json::Error) -> Problem {
    Kind::Invalid.because(format!("the body is not as it should be: {error}"))
}

fn json(value: &impl Serialize) -> Body {
    serde_json::to_vec(value).map_err(|_| Kind::Failed.because("the answer could not be written"))
}
