//! A Worker for tests: the contract of a storage over the binding, candidates that campaign, and faults.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, missing_debug_implementations, reason = "what the macros make has none")]
#![allow(clippy::missing_panics_doc, reason = "that is what it is for")]

use std::cell::Cell;
use std::time::Duration;

use lessor::storage::conformance::{self, Harness};
use lessor::{Builder, Config, StorageError, Timer, async_trait};
use lessor_worker::{Campaign, DurableObjectStorage, WorkerTimer};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object, event};

/// What only a broken library would do, for `worker.js` to plant.
#[wasm_bindgen]
#[derive(Default)]
pub struct Fault;

#[wasm_bindgen]
impl Fault {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self
    }

    pub fn panic(&self) {
        panic!("planted");
    }

    /// A panic while something is borrowed, and after the stack has grown: what is left behind is a mess.
    pub fn mess(&self, depth: u32) -> u32 {
        let cell = std::cell::RefCell::new(vec![depth; 100]);
        let _held = cell.borrow_mut();
        if depth == 0 { panic!("planted, deep down") } else { self.mess(depth - 1) + 1 }
    }

    /// Asks for memory until there is no more.
    pub fn exhaust(&self) -> usize {
        let mut all = Vec::new();
        loop {
            all.push(Vec::<u8>::with_capacity(1 << 30));
            if all.len() > 4 {
                return all.len();
            }
        }
    }
}

struct Binding(DurableObjectStorage);

#[async_trait(?Send)]
impl Harness for Binding {
    type Storage = DurableObjectStorage;
    type Timer = WorkerTimer;

    async fn storage(&self) -> core::result::Result<DurableObjectStorage, StorageError> {
        Ok(self.0.clone())
    }

    fn timer(&self) -> WorkerTimer {
        WorkerTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(1500)
    }

    fn longest_ttl(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

/// `/conformance` runs the contract; everything else goes to the candidate that the path begins with.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _: worker::Context) -> Result<Response> {
    let path = request.path();
    if path == "/conformance" {
        let storage = DurableObjectStorage::new(env.durable_object("LEASES")?).watch(env.durable_object("WATCH")?);
        let harness = Binding(storage);
        let report = conformance::run(&harness).await;
        let text = report.to_string();
        let status = if report.into_result().is_ok() { 200 } else { 500 };
        return Ok(Response::ok(text)?.with_status(status));
    }
    let name = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    env.durable_object("CANDIDATES")?.get_by_name(&name)?.fetch_with_request(request).await
}

/// A candidate whose alarm counts its jobs. `/NAME/die` makes it as if its place was gone: its alarm
/// does nothing, until `/NAME/revive`.
#[durable_object]
pub struct Candidate {
    state: State,
    campaign: Campaign,
    jobs: Cell<u32>,
}

// The count of jobs is right whatever happens.
impl std::panic::RefUnwindSafe for Candidate {}
impl std::panic::UnwindSafe for Candidate {}

impl DurableObject for Candidate {
    fn new(state: State, env: Env) -> Self {
        let id = state.id().name().unwrap_or_else(|| state.id().to_string());
        let ttl = if id.starts_with("patient") { Duration::from_secs(60) } else { Duration::from_secs(2) };
        let mut config = Config::with_ttl(ttl);
        config.renew_interval = Duration::from_millis(500);
        config.retry_interval = Duration::from_millis(500);
        let builder = Builder::new("campaign").id(id).config(config);
        let campaign = Campaign::new(&state, &env, "LEASES", builder);
        Self { state, campaign, jobs: Cell::new(0) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.path();
        let mut parts = path.trim_start_matches('/').split('/').skip(1);
        match (parts.next(), parts.next().and_then(|number| number.parse().ok())) {
            (Some("start"), _) => {
                self.campaign.ensure().await?;
                Response::from_json(&())
            }
            (Some("lead"), Some(scheduled_ms)) => {
                Response::from_json(&self.campaign.lead_once("test", scheduled_ms).await?)
            }
            (Some("lead"), _) => Response::from_json(&self.campaign.lead().await?),
            (Some("die"), _) => {
                self.state.storage().put("dead", true).await?;
                Response::from_json(&())
            }
            (Some("revive"), _) => {
                self.state.storage().delete("dead").await?;
                Response::from_json(&())
            }
            (Some("panic"), _) => panic!("planted, in a candidate"),
            (Some("jobs"), _) => Response::from_json(&self.jobs.get()),
            _ => Response::error("no such path", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        if self.state.storage().get::<bool>("dead").await?.is_some() {
            return Response::empty();
        }
        let job = |_| async {
            let id = self.state.id().name().unwrap_or_default();
            // Longer than the lease lasts: it is renewed meanwhile. Or without an end.
            if self.jobs.get() == 0 {
                WorkerTimer::new().sleep(Duration::from_secs(if id.ends_with("busy") { 3600 } else { 3 })).await;
            }
            self.jobs.set(self.jobs.get() + 1);
        };
        self.campaign.run(job).await?;
        Response::empty()
    }
}
