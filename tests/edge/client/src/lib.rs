//! What the tests run in pages and in Node: the storage over the lease service, on JavaScript.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]
#![allow(missing_docs, clippy::missing_errors_doc, reason = "only tests call it")]

use core::time::Duration;

use futures::future::{Either, select};
use lessor::storage::conformance::{self, Harness};
use lessor::{Builder, Candidate, JsTimer, Storage, StorageError, Timer, async_trait};
use lessor_http::HttpStorage;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

struct Http {
    url: String,
    token: String,
}

impl Http {
    fn at(&self, url: &str) -> Result<HttpStorage, StorageError> {
        HttpStorage::new(url, self.token.clone()).map_err(StorageError::permanent)
    }
}

#[async_trait(?Send)]
impl Harness for Http {
    type Storage = HttpStorage;
    type Timer = JsTimer;

    async fn storage(&self) -> Result<HttpStorage, StorageError> {
        self.at(&self.url)
    }

    /// The port for what is thrown away, which pages may not even ask.
    async fn unreachable(&self) -> Result<Option<HttpStorage>, StorageError> {
        self.at("http://127.0.0.1:9").map(Some)
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

    fn concurrency(&self) -> usize {
        32
    }
}

/// Every case: the report, after `passed` or `failed` and what is missing for some.
#[wasm_bindgen]
pub async fn keeps_the_contract(url: String, token: String) -> String {
    let report = conformance::run(&Http { url, token }).await;
    let lines = format!("{:?}\n{report}", report.needs());
    match report.into_result() {
        Ok(()) => format!("passed {lines}"),
        Err(error) => format!("failed {lines}\n{error}"),
    }
}

/// What `check` says.
#[wasm_bindgen]
pub async fn checks(url: String, token: String) -> String {
    match HttpStorage::new(url, token) {
        Ok(storage) => storage.check().await.map_or_else(|error| format!("{error}"), |()| "it is there".into()),
        Err(error) => error.to_string(),
    }
}

fn candidate(url: &str, token: &str, key: &str, id: &str) -> Result<Candidate, JsError> {
    // Only a wake-up lets another lead before that.
    let builder = Builder::new(key).id(id).ttl(Duration::from_secs(30)).retry_interval(Duration::from_secs(30));
    let (candidate, driver) = builder.build(HttpStorage::new(url, token)?)?;
    spawn_local(driver.run());
    Ok(candidate)
}

/// Two candidates of storages of their own; the one that leads resigns, and the other is woken: in how many ms.
#[wasm_bindgen]
pub async fn hands_over(url: String, token: String, key: String) -> Result<f64, JsError> {
    let one = candidate(&url, &token, &key, "one")?;
    let first = one.elected().await?.term();
    let two = candidate(&url, &token, &key, "two")?;
    let mut events = two.events();
    // It has asked, and follows.
    while two.leader().is_none() {
        events.next().await;
    }
    let timer = JsTimer::new();
    let began = timer.now();
    one.resign().await?;
    let elected = core::pin::pin!(two.elected());
    let second = match select(elected, timer.sleep(Duration::from_secs(15))).await {
        Either::Left((elected, _)) => elected?.term(),
        Either::Right(_) => return Err(JsError::new("nobody was woken")),
    };
    if first.next() != Some(second) {
        return Err(JsError::new(&format!("term {second} follows {first}")));
    }
    let took = timer.now().saturating_duration_since(began);
    one.shutdown().await?;
    two.shutdown().await?;
    Ok(took.as_secs_f64() * 1000.0)
}
