//! A nightly report, written once, by one of several regions.
//!
//! A `Region` is a candidate: a Durable Object that campaigns by its alarm. The cron trigger holds no state: it wakes
//! every region (an alarm that was lost is set again), asks who leads, and has the report written in that term. The
//! `Report` is the job's target, and has the last word: it takes each night once, and no term but the newest.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, missing_debug_implementations, reason = "what the macros make has none")]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]

use lessor::Builder;
use lessor_worker::{Campaign, Lead};
use serde::{Deserialize, Serialize};
use worker::{
    DurableObject, Env, Error, Method, ObjectNamespace, Request, RequestInit, Response, Result, ScheduleContext,
    ScheduledEvent, State, Stub, durable_object, event,
};

/// Candidates, by the location that each is made near to.
const REGIONS: [&str; 3] = ["weur", "enam", "apac"];

// === the handlers ===

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    if let Err(error) = nightly(event.schedule() as u64, &env).await {
        worker::console_error!("tonight there is no report yet: {error}");
    }
}

/// Nobody leads, or the leader did this night already: then there is nothing to do.
async fn nightly(scheduled_ms: u64, env: &Env) -> Result<()> {
    let regions = env.durable_object("REGIONS")?;
    for name in REGIONS {
        let asked = call(&region(&regions, name)?, &format!("/lead/{scheduled_ms}"), &()).await;
        let lead: Option<Lead> = asked.unwrap_or_else(|error| {
            // It is out of order, and another one leads, or will.
            worker::console_warn!("{name}: {error}");
            None
        });
        if let Some(lead) = lead {
            let night = Night { region: name.to_owned(), scheduled_ms, term: lead.term.get() };
            let taken: bool = call(&report(env)?, "/write", &night).await?;
            worker::console_log!("{night:?}: {}", if taken { "written" } else { "there was one already" });
            return Ok(());
        }
    }
    Ok(())
}

/// What was written, to look at.
#[event(fetch)]
async fn fetch(_: Request, env: Env, _: worker::Context) -> Result<Response> {
    let nights: Vec<Night> = call(&report(&env)?, "/read", &()).await?;
    Response::from_json(&nights)
}

fn region(regions: &ObjectNamespace, name: &str) -> Result<Stub> {
    regions.get_by_name_with_location_hint(name, name)
}

fn report(env: &Env) -> Result<Stub> {
    env.durable_object("REPORT")?.get_by_name("report")
}

async fn call<A: for<'de> Deserialize<'de>>(stub: &Stub, path: &str, body: &impl Serialize) -> Result<A> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(serde_json::to_string(body)?.into()));
    let request = Request::new_with_init(&format!("https://object{path}"), &init)?;
    stub.fetch_with_request(request).await?.json().await
}

// === a candidate ===

#[durable_object]
pub struct Region {
    campaign: Campaign,
}

impl DurableObject for Region {
    fn new(state: State, env: Env) -> Self {
        let id = state.id().name().unwrap_or_else(|| state.id().to_string());
        let builder = Builder::new("nightly-report").id(id).config(lessor_worker::config());
        Self { campaign: Campaign::new(&state, &env, "LEASES", builder) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.campaign.ensure().await?;
        let path = request.path();
        let scheduled_ms = path.rsplit('/').next().and_then(|last| last.parse().ok());
        let scheduled_ms = scheduled_ms.ok_or_else(|| Error::RustError(format!("{path} names no time")))?;
        Response::from_json(&self.campaign.lead_once("nightly", scheduled_ms).await?)
    }

    /// Campaigns. A leader that works all the time would do so in here.
    async fn alarm(&self) -> Result<Response> {
        self.campaign.run(|_| async {}).await?;
        Response::empty()
    }
}

// === the job's target ===

#[derive(Debug, Serialize, Deserialize)]
struct Night {
    region: String,
    scheduled_ms: u64,
    term: u64,
}

#[durable_object(fetch)]
pub struct Report {
    state: State,
}

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS nights (scheduled_ms INTEGER PRIMARY KEY, region TEXT NOT NULL, term INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fence (one INTEGER PRIMARY KEY CHECK (one = 1), term INTEGER NOT NULL);
INSERT OR IGNORE INTO fence VALUES (1, 0);";

impl DurableObject for Report {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let sql = self.state.storage().sql();
        sql.exec(TABLES, None)?;
        if request.path() == "/read" {
            let nights: Vec<Night> = sql.exec("SELECT * FROM nights ORDER BY scheduled_ms", None)?.to_array()?;
            return Response::from_json(&nights);
        }
        let Night { region, scheduled_ms, term } = request.json().await?;
        let (scheduled_ms, term) = (scheduled_ms as f64, term as f64);
        // From here on nothing is awaited: one step. A leader whose time is over has an older term.
        sql.exec("UPDATE fence SET term = ?1 WHERE term < ?1", vec![term.into()])?;
        let write = "INSERT INTO nights SELECT ?1, ?2, ?3 FROM fence WHERE term = ?3 ON CONFLICT DO NOTHING";
        let written = sql.exec(write, vec![scheduled_ms.into(), region.into(), term.into()])?;
        Response::from_json(&(written.rows_written() > 0))
    }
}
