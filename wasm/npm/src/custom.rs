//! A storage of the package, for the contract: an object of JavaScript that takes rows and answers rows.

use core::pin::Pin;
use core::task::{Context, Poll};

use futures::Stream;
use futures::channel::mpsc::{Receiver, channel};
use js_sys::{Array, Function, Promise, Reflect};
use lessor::storage::{Entry, Page, Reply, Request, one_by_one};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::row::row;
use crate::wire;

#[wasm_bindgen]
extern "C" {
    /// As the tests of the package make it.
    pub type Rows;

    #[wasm_bindgen(method)]
    fn call(this: &Rows, request: &JsValue) -> Promise;

    /// `undefined`: it wakes nobody.
    #[wasm_bindgen(method)]
    fn subscribe(this: &Rows, key: &str, wake: &JsValue) -> JsValue;

    #[wasm_bindgen(method, getter)]
    fn tells_all(this: &Rows) -> bool;
}

pub(crate) struct Custom(pub(crate) Rows);

fn thrown(error: &JsValue) -> StorageError {
    let field = |name: &str| Reflect::get(error, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let message = field("message").as_string().unwrap_or_default();
    if field("transient") == JsValue::FALSE {
        StorageError::permanent(message)
    } else {
        StorageError::transient(message)
    }
}

fn asked(request: &Request) -> JsValue {
    match request {
        Request::List(list) => {
            let start = list.start.as_ref().map_or(JsValue::NULL, |start| start.as_str().into());
            row(&["list".into(), list.prefix.as_str().into(), start, (list.limit as f64).into()]).into()
        }
        request => wire::written(request).into(),
    }
}

fn read(told: &JsValue) -> Result<Reply, StorageError> {
    let unfit = || StorageError::permanent("that is no reply");
    let told = &Array::from(told);
    if told.get(0).as_string().as_deref() != Some("listed") {
        return wire::replied(told).ok_or_else(unfit);
    }
    let key = |key: JsValue| Key::new(key.as_string().unwrap_or_default()).map_err(StorageError::permanent);
    let mut entries = Vec::new();
    for entry in Array::from(&told.get(1)).iter() {
        let entry = Array::from(&entry);
        entries.push(Entry::new(key(entry.get(0))?, wire::read_lease(&entry.get(1)).ok_or_else(unfit)?));
    }
    let next = Some(told.get(2)).filter(JsValue::is_string).map(key).transpose()?;
    Ok(Reply::Listed(Page::new(entries, next)))
}

#[async_trait(?Send)]
impl Storage for Custom {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let told = JsFuture::from(self.0.call(&asked(&request))).await.map_err(|error| thrown(&error))?;
        read(&told)
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        // What comes while one is kept is the same.
        let (mut tell, woken) = channel(0);
        let wake = Closure::<dyn FnMut()>::new(move || drop(tell.try_send(())));
        let Ok(end) = self.0.subscribe(key.as_str(), wake.as_ref()).dyn_into() else { return Wakeups::never() };
        let wakeups = Wakeups::new(Woken { woken, end, _wake: wake });
        if self.0.tells_all() { wakeups.complete() } else { wakeups }
    }

    async fn check(&self) -> Result<(), StorageError> {
        let asked = row(&["check".into()]).into();
        JsFuture::from(self.0.call(&asked)).await.map(drop).map_err(|error| thrown(&error))
    }
}

/// The wake-ups of one key.
struct Woken {
    woken: Receiver<()>,
    /// Ends them.
    end: Function,
    _wake: Closure<dyn FnMut()>,
}

impl Stream for Woken {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        Pin::new(&mut self.woken).poll_next(cx)
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        let _ = self.end.call0(&JsValue::UNDEFINED);
    }
}
