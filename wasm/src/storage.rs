//! Durable Objects as a [`Storage`], for Workers.

use core::fmt;

use futures::future::join_all;
use js_sys::{Array, Promise};
use lessor::wire::{Ask, Told};
use lessor::{Acquired, Claim, Key, Lease, Renewed, Reply, Request, Session, Storage, StorageError, Term, async_trait};
use wasm_bindgen::prelude::*;
use worker::ObjectNamespace;
use worker::wasm_bindgen_futures::JsFuture;

use crate::errand::ASK;
use crate::json;
use crate::route::Layout;

#[wasm_bindgen]
extern "C" {
    /// A stub of a `LeaseObject`.
    type Remote;

    #[wasm_bindgen(method, catch)]
    fn run(this: &Remote, errand: &str, payload: &str) -> Result<Promise, JsValue>;
}

/// Leases in `LeaseObject`s that a Worker has a binding to: its own, or those of the service (`script_name`).
///
/// There are no wake-ups: nothing in a Worker could wait for them. Whoever has the binding may do everything.
///
/// ```no_run
/// use lessor_worker::DurableObjectStorage;
///
/// # fn storage(env: &worker::Env) -> worker::Result<DurableObjectStorage> {
/// Ok(DurableObjectStorage::new(env.durable_object("LEASES")?))
/// # }
/// ```
#[derive(Clone)]
pub struct DurableObjectStorage {
    namespace: ObjectNamespace,
    layout: Layout,
}

impl DurableObjectStorage {
    /// In the objects of this namespace, one a key.
    #[must_use]
    pub const fn new(namespace: ObjectNamespace) -> Self {
        Self { namespace, layout: Layout::PerKey }
    }

    /// Spread like this: as the service's variable `LESSOR_SHARDS` says.
    #[must_use]
    pub fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    async fn one(&self, request: Request) -> Result<Reply, StorageError> {
        let ask = Ask::from(request);
        let object = self.layout.object(ask.key());
        self.ask(&object, &[ask]).await?.pop().unwrap_or_else(|| Err(no_fit()))
    }

    /// A request to each object. One that fails is no verdict on what the others were asked.
    async fn many<A>(
        &self,
        requests: impl Iterator<Item = Request>,
        fit: impl Fn(Reply) -> Result<A, StorageError>,
    ) -> Vec<Result<A, StorageError>> {
        let mut objects: Vec<(String, Vec<Ask>)> = Vec::new();
        let mut places = Vec::new();
        for request in requests {
            let ask = Ask::from(request);
            let name = self.layout.object(ask.key());
            let number = objects.iter().position(|(object, _)| *object == name).unwrap_or(objects.len());
            match objects.get_mut(number) {
                Some((_, asks)) if asks.iter().any(|other| other.key() == ask.key()) => {
                    places.push(Err(StorageError::permanent(format!("key {} occurs more than once", ask.key()))));
                    continue;
                }
                Some((_, asks)) => asks.push(ask),
                None => objects.push((name, vec![ask])),
            }
            places.push(Ok(number));
        }
        let told = join_all(objects.iter().map(|(name, asks)| self.ask(name, asks))).await;
        let mut told: Vec<_> = told.into_iter().map(|told| told.map(Vec::into_iter)).collect();
        let answer = |place: Result<usize, StorageError>| match told.get_mut(place?) {
            Some(Ok(told)) => told.next().unwrap_or_else(|| Err(no_fit())).and_then(&fit),
            Some(Err(error)) => Err(error.clone()),
            None => Err(no_fit()),
        };
        places.into_iter().map(answer).collect()
    }

    async fn ask(&self, object: &str, asks: &[Ask]) -> Result<Vec<Result<Reply, StorageError>>, StorageError> {
        let payload = serde_json::to_string(asks).map_err(StorageError::permanent)?;
        let remote: Remote = self.namespace.get_by_name(object).map_err(transient)?.into_rpc();
        let told = JsFuture::from(remote.run(ASK, &payload).map_err(transient)?).await.map_err(transient)?;
        let told = Array::from(&told);
        if told.length() as usize != asks.len() {
            return Err(no_fit());
        }
        let read = |told: JsValue| {
            let told: Told = json::read(&told.as_string().unwrap_or_default()).map_err(StorageError::transient)?;
            Reply::try_from(told).map_err(StorageError::transient)
        };
        Ok(told.iter().map(read).collect())
    }
}

/// Whether an object that does not answer did what it was asked is open.
fn transient(error: impl Into<worker::Error>) -> StorageError {
    StorageError::transient(error.into().to_string())
}

fn no_fit() -> StorageError {
    StorageError::transient("the object's answer does not fit the request")
}

fn acquired(reply: Reply) -> Result<Acquired, StorageError> {
    if let Reply::Acquired(acquired) = reply { Ok(acquired) } else { Err(no_fit()) }
}

fn renewed(reply: Reply) -> Result<Renewed, StorageError> {
    if let Reply::Renewed(renewed) = reply { Ok(renewed) } else { Err(no_fit()) }
}

fn released(reply: Reply) -> Result<(), StorageError> {
    if let Reply::Released = reply { Ok(()) } else { Err(no_fit()) }
}

fn got(reply: Reply) -> Result<Option<Lease>, StorageError> {
    if let Reply::Got(lease) = reply { Ok(lease) } else { Err(no_fit()) }
}

#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
impl Storage for DurableObjectStorage {
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
        self.one(Request::Acquire(claim.clone())).await.and_then(acquired)
    }

    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
        self.one(Request::Renew(claim.clone(), term)).await.and_then(renewed)
    }

    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
        self.one(Request::Release(key.clone(), session)).await.and_then(released)
    }

    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
        self.one(Request::Get(key.clone())).await.and_then(got)
    }

    async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
        self.many(claims.iter().cloned().map(Request::Acquire), acquired).await
    }

    async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
        self.many(renewals.iter().map(|(claim, term)| Request::Renew(claim.clone(), *term)), renewed).await
    }

    async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
        self.many(releases.iter().map(|(key, session)| Request::Release(key.clone(), *session)), released).await
    }

    async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
        self.many(keys.iter().cloned().map(Request::Get), got).await
    }

    async fn check(&self) -> Result<(), StorageError> {
        // Nothing is written for it, and every object can answer it.
        let key = Key::new("lessor/check").map_err(StorageError::permanent)?;
        self.get(&key).await.map(drop)
    }
}

impl fmt::Debug for DurableObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableObjectStorage").field("layout", &self.layout).finish_non_exhaustive()
    }
}
