//! A Worker for tests: the contract of a storage over the binding, candidates that campaign, and faults.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, missing_debug_implementations, reason = "what the macros make has none")]
#![allow(clippy::missing_panics_doc, reason = "that is what it is for")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use lessor::storage::conformance::{self, Harness};
use lessor::storage::{Reply, Request as StorageRequest};
use lessor::{Builder, Config, Key, Leadership, Storage, StorageError, Timer, Wakeups, async_trait};
use lessor_worker::{Campaign, CampaignGroup, DurableObjectStorage, R2Storage, Schedule, Scheduled, WorkerTimer};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Date, DurableObject, Env, Error, Request, Response, Result, State, durable_object, event};

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
        let cell = RefCell::new(vec![depth; 100]);
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

/// What each handle of the suite is made by.
struct Binding<F>(F);

#[async_trait(?Send)]
impl<S: Storage + 'static, F: Fn() -> Result<S>> Harness for Binding<F> {
    type Storage = S;
    type Timer = WorkerTimer;

    async fn storage(&self) -> core::result::Result<S, StorageError> {
        (self.0)().map_err(|error| StorageError::permanent(error.to_string()))
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

/// A handle as another process has it: it hears of nothing.
struct Apart(R2Storage);

#[async_trait(?Send)]
impl Storage for Apart {
    async fn call(&self, request: StorageRequest) -> core::result::Result<Reply, StorageError> {
        self.0.call(request).await
    }

    async fn call_all(&self, requests: Vec<StorageRequest>) -> Vec<core::result::Result<Reply, StorageError>> {
        self.0.call_all(requests).await
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> core::result::Result<(), StorageError> {
        self.0.check().await
    }
}

/// What the contract comes to.
async fn conformance<S: Storage + 'static>(handle: impl Fn() -> Result<S>) -> Result<Response> {
    let report = conformance::run(&Binding(handle)).await;
    let text = report.to_string();
    let status = if report.into_result().is_ok() { 200 } else { 500 };
    Ok(Response::ok(text)?.with_status(status))
}

/// `/conformance` runs the contract over the objects, `/conformance/bucket` over a bucket, by clones or, with `/apart`, by handles that
/// know nothing of each other; everything else goes to the candidate that the path begins with.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _: worker::Context) -> Result<Response> {
    let path = request.path();
    match path.as_str() {
        "/conformance" => {
            let leases = || env.durable_object("LEASES");
            return conformance(|| Ok(DurableObjectStorage::new(leases()?).watch(env.durable_object("WATCH")?))).await;
        }
        "/conformance/bucket" => {
            let storage = R2Storage::new(env.bucket("BUCKET")?);
            return conformance(|| Ok(storage.clone())).await;
        }
        "/conformance/bucket/apart" => {
            return conformance(|| Ok(Apart(R2Storage::under(env.bucket("BUCKET")?, "apart/v1")?))).await;
        }
        _ => {}
    }
    let name = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    let class = if name.starts_with("many") { "MANY" } else { "CANDIDATES" };
    env.durable_object(class)?.get_by_name(&name)?.fetch_with_request(request).await
}

/// Candidates of sixteen keys in one object: `/NAME/jobs` says how many jobs each of them has done, and in which terms; `/NAME/lead/KEY`.
#[durable_object]
pub struct Many {
    state: State,
    campaigns: CampaignGroup,
    alarms: Cell<u32>,
    jobs: RefCell<BTreeMap<String, Vec<u64>>>,
}

// The counts are right whatever happens.
impl std::panic::RefUnwindSafe for Many {}
impl std::panic::UnwindSafe for Many {}

impl DurableObject for Many {
    fn new(state: State, env: Env) -> Self {
        let id = state.id().name().unwrap_or_else(|| state.id().to_string());
        let keys = (0..16).map(|number| format!("many/{number}"));
        let config = brisk(Duration::from_secs(60));
        let campaigns = CampaignGroup::new(&state, &env, "LEASES", &id, keys).config(&config);
        Self { state, campaigns, alarms: Cell::new(0), jobs: RefCell::default() }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.path();
        let mut parts = path.trim_start_matches('/').splitn(3, '/').skip(1);
        let (verb, key) = (parts.next(), parts.next().unwrap_or_default());
        match verb {
            Some("start") => Response::from_json(&self.campaigns.ensure().await?),
            Some("lead") => Response::from_json(&self.campaigns.lead(key).await?),
            Some("resign") => Response::from_json(&self.campaigns.resign(key).await?),
            Some("stop") => Response::from_json(&self.campaigns.stop().await?),
            Some("jobs") => Response::from_json(&*self.jobs.borrow()),
            Some("alarms") => Response::from_json(&self.alarms.get()),
            Some("changes") => Response::from_json(&changes(&self.state)?),
            _ => Response::error("no such path", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.alarms.set(self.alarms.get() + 1);
        let job = |leadership: Leadership| async move {
            self.jobs.borrow_mut().entry(leadership.key().to_string()).or_default().push(leadership.term().get());
        };
        self.campaigns.run(job).await?;
        Response::empty()
    }
}

/// Renewed each half a second.
fn brisk(ttl: Duration) -> Config {
    let mut config = Config::with_ttl(ttl);
    config.renew_interval = Duration::from_millis(500);
    config.retry_interval = Duration::from_millis(500);
    config
}

/// How many rows were written since this instance began.
fn changes(state: &State) -> Result<Option<f64>> {
    let rows = state.storage().sql().exec("SELECT total_changes() AS changes", None)?;
    let row: BTreeMap<String, f64> = rows.to_array()?.pop().unwrap_or_default();
    Ok(row.get("changes").copied())
}

/// A candidate whose alarm counts its jobs. `/NAME/die` makes it as if its place was gone: its alarm
/// does nothing, until `/NAME/revive`.
///
/// The first job of those that are called long lasts longer than their lease, that of those whose names end with `busy` has no end. Those that
/// are called scheduled do a job each second, which fails after `/NAME/fail`, until `/NAME/heal`.
#[durable_object]
pub struct Candidate {
    state: State,
    campaign: Campaign,
    jobs: Cell<u32>,
    /// When the job failed, in ms since 1970.
    failures: RefCell<Vec<u64>>,
}

// What is counted is right whatever happens.
impl std::panic::RefUnwindSafe for Candidate {}
impl std::panic::UnwindSafe for Candidate {}

impl DurableObject for Candidate {
    fn new(state: State, env: Env) -> Self {
        let id = state.id().name().unwrap_or_else(|| state.id().to_string());
        let ttl = Duration::from_secs(if id.starts_with("patient") { 60 } else { 5 });
        let builder = Builder::new("campaign").id(id).config(brisk(ttl));
        let campaign = Campaign::new(&state, &env, "LEASES", builder);
        Self { state, campaign, jobs: Cell::new(0), failures: RefCell::default() }
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
            (Some("resign"), _) => Response::from_json(&self.campaign.resign().await?),
            (Some("stop"), _) => Response::from_json(&self.campaign.stop().await?),
            (Some("changes"), _) => Response::from_json(&changes(&self.state)?),
            (Some("alarm"), _) => Response::from_json(&self.state.storage().get_alarm().await?),
            (Some("die"), _) => {
                self.state.storage().put("dead", true).await?;
                Response::from_json(&())
            }
            (Some("revive"), _) => {
                self.state.storage().delete("dead").await?;
                Response::from_json(&())
            }
            (Some("fail"), _) => {
                self.state.storage().put("failing", true).await?;
                Response::from_json(&())
            }
            (Some("heal"), _) => {
                self.state.storage().delete("failing").await?;
                Response::from_json(&())
            }
            (Some("runs"), _) => Response::from_json(&self.runs().await?),
            (Some("failures"), _) => Response::from_json(&*self.failures.borrow()),
            (Some("panic"), _) => panic!("planted, in a candidate"),
            (Some("jobs"), _) => Response::from_json(&self.jobs.get()),
            _ => Response::error("no such path", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        if self.state.storage().get::<bool>("dead").await?.is_some() {
            return Response::empty();
        }
        if self.state.id().name().is_some_and(|id| id.starts_with("scheduled")) {
            return self.scheduled().await;
        }
        let job = |leadership: Leadership| async move {
            let id = self.state.id().name().unwrap_or_default();
            // Longer than the lease lasts: it is renewed meanwhile. Or without an end.
            let is_long = id.starts_with("long") && leadership.term().get() == 1;
            if self.jobs.get() == 0 && (is_long || id.ends_with("busy")) {
                WorkerTimer::new().sleep(Duration::from_secs(if is_long { 6 } else { 3600 })).await;
            }
            self.jobs.set(self.jobs.get() + 1);
        };
        self.campaign.run(job).await?;
        Response::empty()
    }
}

impl Candidate {
    /// The times that it did its job for, with its terms.
    async fn runs(&self) -> Result<Vec<(u64, u64)>> {
        Ok(self.state.storage().get("runs").await?.unwrap_or_default())
    }

    async fn scheduled(&self) -> Result<Response> {
        let schedule = Schedule::new("each second", "* * * * * *")?.make_up(Duration::from_secs(600));
        let failed_ms = Cell::new(0);
        let failed_ms = &failed_ms;
        let job = |leadership: Leadership, at_ms| async move {
            if self.state.storage().get::<bool>("failing").await?.is_some() {
                failed_ms.set(Date::now().as_millis());
                return Err(Error::RustError("it is to fail".into()));
            }
            let mut runs = self.runs().await?;
            runs.push((at_ms, leadership.term().get()));
            self.state.storage().put("runs", runs).await
        };
        match self.campaign.run_scheduled(&schedule, job).await? {
            Scheduled::Failed { .. } => self.failures.borrow_mut().push(failed_ms.get()),
            Scheduled::Done(done) => self.jobs.set(self.jobs.get() + done as u32),
            _ => {}
        }
        Response::empty()
    }
}
