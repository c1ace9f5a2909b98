//! The contract of a storage, for the tests of this package.
#![allow(clippy::arc_with_non_send_sync, reason = "there is one thread")]

use core::time::Duration;
use std::sync::Arc;

use js_sys::Promise;
use lessor::storage::conformance::{self, Harness};
use lessor::{JsTimer, StorageError};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::custom::{Custom, Rows};

/// A storage, and one of its kind that reaches nobody.
struct Under {
    storage: Arc<Custom>,
    unreachable: Option<Arc<Custom>>,
    may_lose: bool,
}

#[lessor::async_trait(?Send)]
impl Harness for Under {
    type Storage = Arc<Custom>;
    type Timer = JsTimer;

    async fn storage(&self) -> Result<Self::Storage, StorageError> {
        Ok(self.storage.clone())
    }

    async fn unreachable(&self) -> Result<Option<Self::Storage>, StorageError> {
        Ok(self.unreachable.clone())
    }

    fn timer(&self) -> JsTimer {
        JsTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(1500)
    }

    fn longest_ttl(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// It may be thrown away, and does not know then.
    fn freeze_after_loss(&self) -> Option<Duration> {
        self.may_lose.then_some(Duration::ZERO)
    }

    fn concurrency(&self) -> usize {
        32
    }
}

/// Every case: the report, after `passed` or `failed` and what is missing for some.
#[wasm_bindgen]
pub fn keeps_the_contract(storage: Rows, unreachable: Option<Rows>, may_lose: bool) -> Promise {
    let of = |rows| Arc::new(Custom(rows));
    let harness = Under { storage: of(storage), unreachable: unreachable.map(of), may_lose };
    future_to_promise(async move {
        let report = conformance::run(&harness).await;
        let lines = format!("{:?}\n{report}", report.needs());
        Ok(match report.into_result() {
            Ok(()) => format!("passed {lines}").into(),
            Err(error) => format!("failed {lines}\n{error}").into(),
        })
    })
}
