//! What becomes of a request: admitted by the rules of `lessor-service`, carried out here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, upgrade};
use lessor::Key;
use lessor::storage::{List, Page, Reply, Request as Asking};
use lessor_service::{Asked, Batch, Errand, Kind, Listing, Looker, Owner, Place, Plan, Reported};
use lessor_wire::{Problem, WirePage, WireReply};
use tokio::sync::watch;
use tokio::time::Instant;

use super::access_log::{AccessLog, Line};
use super::answer::{self, Answer};
use super::body::{self, Read};
use super::gate::{Gate, Sources};
use super::origins::Origins;
use super::watching::Watching;
use super::{meters, socket};

pub(crate) struct Server {
    pub(crate) gate: watch::Sender<Arc<Gate>>,
    pub(crate) sources: Sources,
    pub(crate) watching: Arc<Watching>,
    pub(crate) origins: Origins,
    pub(crate) log: AccessLog,
    /// Which storage it is, in a word.
    pub(crate) storage: &'static str,
    /// How long a socket may be silent.
    pub(crate) silence: Duration,
    /// Whether it ends: then sockets are told.
    pub(crate) ends: watch::Receiver<bool>,
    /// Whether it is about to.
    pub(crate) drains: watch::Receiver<bool>,
    /// When the storage was asked last whether it answers, and what it said.
    pub(crate) ready: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

/// What is known of a request for the log and the meters.
#[derive(Debug, Default)]
struct Seen {
    operation: &'static str,
    caller: String,
}

type Answered<T> = Result<T, Problem>;

impl Server {
    /// Answers a request, whatever it is.
    pub(crate) async fn serve(self: Arc<Self>, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match (&method, &*path) {
            (&Method::GET | &Method::HEAD, "/healthz") => return answer::plain(StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => return self.readiness().await,
            (_, "/healthz" | "/readyz") => return answer::only_to_read(),
            _ => {}
        }
        let origin = self.origins.of(request.headers());
        let mut seen = Seen { operation: "refused", ..Seen::default() };
        let mut answer = if origin.is_some() && Origins::is_preflight(&method, request.headers()) {
            seen.operation = "preflight";
            Origins::preflight()
        } else {
            let answered = self.answer(request, &mut seen).await;
            answered.unwrap_or_else(|problem| answer::problem_at(&problem, &path))
        };
        if let Some(origin) = origin.filter(|_| answer.status() != StatusCode::SWITCHING_PROTOCOLS) {
            Origins::allow(&mut answer, origin);
        }
        let (status, took) = (answer.status().as_u16(), began.elapsed());
        meters::request(seen.operation, status, took);
        self.log.note(&Line { method: method.as_str(), path: &path, status, took, caller: &seen.caller, peer });
        answer
    }

    async fn answer(self: &Arc<Self>, mut request: Request<Incoming>, seen: &mut Seen) -> Answered<Answer> {
        let mut gates = self.gate.subscribe();
        let gate = gates.borrow_and_update().clone();
        let upgrade = request.headers().contains_key(UPGRADE).then(|| upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let plan = self.admit(&gate, &parts, body).boxed().await;
        let headers = &parts.headers;
        let plan = match plan {
            // Who it is no plan says of these.
            Ok(plan @ (Plan::About(..) | Plan::Errand(..))) => {
                seen.caller = name_of(&gate, headers);
                plan
            }
            Err(problem) if problem.status != StatusCode::UNAUTHORIZED => {
                seen.caller = name_of(&gate, headers);
                return Err(problem);
            }
            plan => plan?,
        };
        match plan {
            // Of what had to be verified nothing is left to do.
            Plan::Verify(..) => Err(answer::overloaded("there are too many tokens")),
            Plan::Page => {
                seen.operation = "page";
                Ok(answer::page())
            }
            Plan::About(about) => {
                seen.operation = "about";
                let about = about.strip_suffix('}').unwrap_or(&about);
                Ok(answer::json(format!("{about},\"layout\":{}}}", serde_json::Value::from(self.storage))))
            }
            Plan::One(_, request, owner) => {
                let (request, owner) = (Asking::from(request), Owner::read(&owner));
                (seen.operation, seen.caller) = (request.operation().as_str(), owner.name.to_owned());
                let reply = self.watching.leases.ask(request, &owner).await?;
                Ok(answer::written(&wire(reply)))
            }
            Plan::Errand(_, errand, key) => {
                seen.operation = errand.as_str();
                let leases = &self.watching.leases;
                Ok(answer::written(&match errand {
                    Errand::History => Reported::History(leases.history(&key)),
                    Errand::Waiting => Reported::Waiting(leases.waiters(&key)),
                    Errand::Forget => leases.forget(key).await.map(|()| Reported::Forgotten {})?,
                }))
            }
            Plan::Ask(batch, owner) => {
                let owner = Owner::read(&owner);
                (seen.operation, seen.caller) = ("batch", owner.name.to_owned());
                Ok(answer::written(&self.batch(batch, &owner).await))
            }
            Plan::List(Listing { list, after, .. }, looker) => {
                let looker = Looker::read(&looker);
                (seen.operation, seen.caller) = ("list", looker.name.clone());
                let page = self.list(list, after.as_ref(), &looker).await?;
                Ok(answer::written(&page))
            }
            Plan::Watch(looker) => {
                let looker = Looker::read(&looker);
                (seen.operation, seen.caller) = ("watch", looker.name.clone());
                let answer = socket::handshake(headers)?;
                let opened = socket::admit(&self.watching, &looker)?;
                if let Some(upgrade) = upgrade {
                    let (watching, ends) = (self.watching.clone(), self.ends.clone());
                    tokio::spawn(socket::serve(watching, looker, opened, upgrade, self.silence, gates, ends));
                }
                Ok(answer)
            }
        }
    }

    /// What to do about it; its body is read where that is for whoever sent it.
    async fn admit(&self, gate: &Gate, parts: &Parts, body: Incoming) -> Answered<Plan> {
        let (method, headers) = (parts.method.as_str(), &parts.headers);
        let url = parts.uri.path_and_query().map_or("/", |url| url.as_str());
        let protocols = header(headers, SEC_WEBSOCKET_PROTOCOL);
        let authorization = authorization(headers);
        let authorization = authorization.as_deref();
        // What is long, or may be, is not read for everybody.
        let mut unread = Some(body);
        let mut text = Some(String::new());
        let mut is_second = false;
        loop {
            let may_read = match (&unread, authorization) {
                _ if method != "POST" => false,
                (Some(body), _) if body::is_short(body) => true,
                (Some(_), Some(given)) => gate.knows(given),
                _ => false,
            };
            if may_read && let Some(body) = unread.take() {
                text = match body::read(body).await {
                    Read::Text(text) => Some(text),
                    Read::TooLong => None,
                    Read::TooSlow => return Err(Kind::TooSlow.because("the body did not come to its end in time")),
                    Read::Gone => return Err(Kind::Invalid.because("the body did not come to its end")),
                };
            }
            let (upgrade, media_type) = (header(headers, UPGRADE), header(headers, CONTENT_TYPE));
            let asked = Asked { method, url, authorization, protocols, upgrade, media_type, body: text.as_deref() };
            let planned = match gate.admit(asked) {
                // A token that was verified is known for as long as there is room.
                Ok(Plan::Verify(how, token)) if !is_second => match gate.verify(&how, &token).await {
                    Ok(()) => {
                        is_second = true;
                        continue;
                    }
                    Err(problem) => Err(problem),
                },
                planned => planned,
            };
            if let Some(body) = unread {
                body::skip(body).await;
            }
            return planned;
        }
    }

    /// Each answer in its place.
    async fn batch(&self, batch: Batch, owner: &Owner<'_>) -> Vec<WireReply> {
        let Batch { places, objects, looker, .. } = batch;
        let asked = objects.into_iter().flat_map(|(_, asked)| asked);
        let asked = asked.map(|(place, request)| (place, Asking::from(request))).collect();
        let mut told: HashMap<usize, WireReply> = HashMap::with_capacity(places.len());
        for (place, reply) in self.watching.leases.ask_all(asked, owner).await {
            told.insert(place, reply.map_or_else(WireReply::from, wire));
        }
        let looker = Looker::read(&looker);
        let mut answers = Vec::with_capacity(places.len());
        for (place, of) in places.into_iter().enumerate() {
            answers.push(match of {
                Place::Failed(problem) => problem.into(),
                Place::List(list) => match self.page(list.into(), &looker).await {
                    Ok(page) => wire(Reply::Listed(page)),
                    Err(problem) => problem.into(),
                },
                // And what a later version of the rules may know.
                _ => {
                    let missing = || Kind::Failed.because("there is no answer").into();
                    told.remove(&place).unwrap_or_else(missing)
                }
            });
        }
        answers
    }

    /// A page, which begins behind this key if there is one.
    async fn list(&self, mut list: List, after: Option<&Key>, looker: &Looker) -> Answered<WirePage> {
        let limit = list.page_size();
        let Some(after) = after else { return self.page(list, looker).await.map(Into::into) };
        if list.start.as_ref().is_none_or(|start| start <= after) {
            list.start = Some(after.clone());
        }
        // That one is left out: so one more is asked for, if that many can be.
        let mut page = self.page(list.clone().limit(limit.saturating_add(1)), looker).await?;
        page.entries.retain(|entry| entry.key > *after);
        if page.entries.len() > limit {
            page.next = page.entries.pop().map(|entry| entry.key);
        }
        Ok(page.into())
    }

    async fn page(&self, list: List, looker: &Looker) -> Answered<Page> {
        self.watching.list(list, looker).await
    }
}

fn wire(reply: Reply) -> WireReply {
    let newer = |_| Kind::Failed.because("the storage's reply is newer than this program").into();
    WireReply::try_from(reply).unwrap_or_else(newer)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

/// The token that was given, but for that of a socket.
fn authorization(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let given = header(headers, AUTHORIZATION).map(Cow::Borrowed);
    given.or_else(|| asserted(headers, header(headers, SEC_WEBSOCKET_PROTOCOL)).map(Cow::Owned))
}

/// Whose it is, for the log. Nothing, where that is not known.
fn name_of(gate: &Gate, headers: &HeaderMap) -> String {
    gate.name_of(authorization(headers).as_deref(), header(headers, SEC_WEBSOCKET_PROTOCOL)).unwrap_or_default()
}

/// The token that Cloudflare Access adds to what it lets through. A browser sends along by itself what Access knows it by, whichever page has it do
/// so: pages of others are let in by a token of their own only.
fn asserted(headers: &HeaderMap, protocols: Option<&str>) -> Option<String> {
    let token = header(headers, HeaderName::from_static("cf-access-jwt-assertion"))?;
    if protocols.is_some_and(|protocols| protocols.contains("lessor.bearer.")) {
        return None;
    }
    let own = header(headers, HOST).unwrap_or_default();
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| host == own);
    let from_elsewhere = headers.get(ORIGIN).is_some_and(|origin| !origin.to_str().is_ok_and(is_own));
    (!from_elsewhere).then(|| format!("Bearer {token}"))
}
