//! The storages.

use core::time::Duration;
use std::sync::Arc;

use js_sys::Promise;
use lessor::storage::Request;
use lessor::{JsTimer, MemoryStorage, Storage};
use lessor_http::HttpStorage;
use lessor_wire::{WireReply, WireRequest};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::custom::Custom;
use crate::shown::text;
use crate::thrown;

/// Any of them.
#[wasm_bindgen]
pub struct StorageCore(Arc<dyn Storage>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    token: String,
    timeout_ms: Option<u32>,
    wakeups: Option<bool>,
}

#[wasm_bindgen]
impl StorageCore {
    /// A lease service.
    pub fn http(url: String, settings: &str) -> Result<Self, JsValue> {
        let settings: Settings = serde_json::from_str(settings).map_err(|error| thrown::invalid(&error))?;
        let mut builder = HttpStorage::builder(url).token(settings.token);
        if let Some(timeout_ms) = settings.timeout_ms {
            builder = builder.timeout(Duration::from_millis(timeout_ms.into()));
        }
        builder = builder.wakeups(settings.wakeups.unwrap_or(true));
        Ok(Self(Arc::new(builder.build().map_err(|error| thrown::invalid(&error))?)))
    }

    /// Of this module alone.
    pub fn memory() -> Self {
        Self(Arc::new(MemoryStorage::with_timer(JsTimer::new())))
    }

    /// One that is written in JavaScript.
    pub fn custom(object: JsValue) -> Result<Self, JsValue> {
        Ok(Self(Arc::new(Custom::new(object)?)))
    }

    /// A request as the service's API has it, and its reply.
    pub fn call(&self, request: &str) -> Promise {
        let storage = self.0.clone();
        let request = serde_json::from_str::<WireRequest>(request).map(Request::from);
        future_to_promise(async move {
            let request = request.map_err(|error| thrown::invalid(&error))?;
            let reply = storage.call(request).await.and_then(WireReply::try_from);
            reply.map(|reply| text(&reply).into()).map_err(|error| thrown::storage(&error))
        })
    }

    pub fn check(&self) -> Promise {
        let storage = self.0.clone();
        future_to_promise(async move {
            storage.check().await.map(|()| JsValue::UNDEFINED).map_err(|error| thrown::storage(&error))
        })
    }
}

impl StorageCore {
    pub(crate) fn get(&self) -> Arc<dyn Storage> {
        self.0.clone()
    }
}
