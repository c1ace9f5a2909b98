//! Durable Objects as a [`Storage`], for Workers.

use core::fmt;

use futures::future::join_all;
use js_sys::{Array, Promise};
use lessor::storage::{Get, List, Page, Reply, Request, UniqueKeys};
use lessor::{Key, Storage, StorageError, Term, Wakeups, async_trait};
use lessor_service::{Layout, json};
use lessor_wire::{WireList, WirePage, WireReply, WireRequest};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use worker::ObjectNamespace;
use worker::wasm_bindgen_futures::JsFuture;

use crate::errand::{ASK, MARK};

#[wasm_bindgen]
extern "C" {
    /// A stub of a `LeaseObject` or a `WatchObject`.
    type Remote;

    #[wasm_bindgen(method, catch)]
    fn run(this: &Remote, errand: &str, payload: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn list(this: &Remote, looker: &str, list: &str) -> Result<Promise, JsValue>;
}

/// The one `WatchObject`, as `objects.js` names it.
const WATCH: &str = "watch";

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
    leases: ObjectNamespace,
    watch: Option<ObjectNamespace>,
    layout: Layout,
}

impl DurableObjectStorage {
    /// In the objects of this namespace, one a key.
    #[must_use]
    pub const fn new(leases: ObjectNamespace) -> Self {
        Self { leases, watch: None, layout: Layout::PerKey }
    }

    /// Spread like this: as the service's variable `LESSOR_SHARDS` says.
    #[must_use]
    pub fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// With the `WatchObject` of this namespace, which knows all keys: only [lists](lessor::StorageExt::list) need it.
    ///
    /// ```no_run
    /// use lessor_worker::DurableObjectStorage;
    ///
    /// # fn storage(env: &worker::Env) -> worker::Result<DurableObjectStorage> {
    /// Ok(DurableObjectStorage::new(env.durable_object("LEASES")?).watch(env.durable_object("WATCH")?))
    /// # }
    /// ```
    #[must_use]
    pub fn watch(self, watch: ObjectNamespace) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Asks one object: as many replies, in order.
    async fn ask(&self, object: &str, requests: &[WireRequest]) -> Result<Vec<Answer>, StorageError> {
        let remote = remote(&self.leases, object)?;
        let replies = told(remote.run(ASK, &written(requests)?)).await?;
        let replies = Array::from(&replies);
        if replies.length() as usize != requests.len() {
            return Err(no_fit());
        }
        let read = |reply| read::<WireReply>(&reply)?.into_result().map_err(StorageError::transient);
        Ok(replies.iter().map(read).collect())
    }

    /// Says, as who holds the key in this term, that all that the name stands for is done up to then: up to when it was before. A time of 0
    /// only asks.
    pub(crate) async fn mark(&self, key: &Key, name: &str, term: Term, at_ms: u64) -> Result<u64, StorageError> {
        let remote = remote(&self.leases, &self.layout.object(key))?;
        let answers = told(remote.run(MARK, &format!("{key}\n{name}\n{term}\n{at_ms}"))).await?;
        let answer = Array::from(&answers).get(0);
        match answer.as_string().and_then(|answer| answer.parse().ok()) {
            Some(before_ms) => Ok(before_ms),
            None => Err(read::<WireReply>(&answer)?.into_result().err().map_or_else(no_fit, StorageError::transient)),
        }
    }

    async fn list(&self, list: List) -> Result<Page, StorageError> {
        let Some(watch) = &self.watch else { return Err(StorageError::unsupported(&Request::List(list))) };
        let remote = remote(watch, WATCH)?;
        let page = told(remote.list("", &written(&WireList::from(list))?)).await?;
        read::<WirePage>(&page).map(Into::into)
    }
}

/// What an object answers to one request.
type Answer = Result<Reply, StorageError>;

fn remote(namespace: &ObjectNamespace, name: &str) -> Result<Remote, StorageError> {
    Ok(namespace.get_by_name(name).map_err(transient)?.into_rpc())
}

fn written(value: &(impl Serialize + ?Sized)) -> Result<String, StorageError> {
    json::write(value, StorageError::permanent)
}

fn read<T: serde::de::DeserializeOwned>(text: &JsValue) -> Result<T, StorageError> {
    json::read(&text.as_string().unwrap_or_default()).map_err(StorageError::transient)
}

async fn told(promise: Result<Promise, JsValue>) -> Result<JsValue, StorageError> {
    JsFuture::from(promise.map_err(transient)?).await.map_err(transient)
}

/// Whether an object that does not answer did what it was asked is open.
fn transient(error: impl Into<worker::Error>) -> StorageError {
    StorageError::transient(error.into().to_string())
}

fn no_fit() -> StorageError {
    StorageError::transient("the object's answer does not fit the request")
}

#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
impl Storage for DurableObjectStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        match request {
            Request::List(list) => self.list(list).await.map(Reply::Listed),
            request => {
                let key = request.key().ok_or_else(|| StorageError::unsupported(&request))?;
                let object = self.layout.object(key);
                self.ask(&object, &[request.try_into()?]).await?.pop().unwrap_or_else(|| Err(no_fit()))
            }
        }
    }

    /// A request to each object. One that fails is no verdict on what the others were asked.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let mut unique = UniqueKeys::default();
        let admitted = requests.iter().map(|request| request.key().map_or(Ok(()), |key| unique.first_time(key)));
        let admitted: Vec<_> = admitted.collect();
        let mut replies: Vec<Answer> = Vec::with_capacity(requests.len());
        let (mut named, mut lists) = (Vec::new(), Vec::new());
        for (place, (request, admitted)) in requests.into_iter().zip(admitted).enumerate() {
            let asked = admitted.and_then(|()| match request {
                Request::List(list) => {
                    lists.push(async move { (place, self.list(list).await.map(Reply::Listed)) });
                    Ok(())
                }
                request => {
                    let key = request.key().ok_or_else(|| StorageError::unsupported(&request))?;
                    let object = self.layout.object(key);
                    named.push((object, (place, WireRequest::try_from(request)?)));
                    Ok(())
                }
            });
            // Whoever is asked puts the answer here.
            replies.push(Err(asked.err().unwrap_or_else(no_fit)));
        }
        let objects = self.layout.grouped(named).into_iter().map(async |(name, asked)| {
            let (places, requests): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
            match self.ask(&name, &requests).await {
                Ok(answers) => places.into_iter().zip(answers).collect(),
                Err(error) => places.into_iter().map(|place| (place, Err(error.clone()))).collect::<Vec<_>>(),
            }
        });
        let (objects, lists) = futures::join!(join_all(objects), join_all(lists));
        for (place, answer) in objects.into_iter().flatten().chain(lists) {
            if let Some(reply) = replies.get_mut(place) {
                *reply = answer;
            }
        }
        replies
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        // Nothing is written for it, and every object can answer it.
        let key = Key::new("lessor/check").map_err(StorageError::permanent)?;
        self.call(Get::new(key).into()).await.map(drop)
    }
}

impl fmt::Debug for DurableObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableObjectStorage").field("layout", &self.layout).finish_non_exhaustive()
    }
}
