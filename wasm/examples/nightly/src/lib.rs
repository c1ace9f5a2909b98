//! A nightly report, written once a night, by one of several regions.
//!
//! A `Region` is a candidate: a Durable Object that campaigns by its alarm. The leader's alarm knows the schedule, and makes up for nights
//! that were missed. The cron trigger is the watchdog: it wakes every region (an alarm that was lost is set again), lets those go that are
//! retired, and says so if nobody leads. The `Report` is the job's target, and has the last word: it takes each night once, and no term but
//! the newest.
//!
//! Variables: `SCHEDULE`; `CAMPAIGNING`, the names of those who do, each the location hint that it is made near to; `RETIRED`, those who
//! no longer do. Move a name from one to the other to let it go.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, missing_debug_implementations, reason = "what the macros make has none")]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]

use std::time::Duration;

use lessor::{Builder, Leadership};
use lessor_worker::{Campaign, Lead, Schedule, Scheduled};
use serde::{Deserialize, Serialize};
use worker::{
    DurableObject, Env, Error, Method, Request, RequestInit, Response, Result, ScheduleContext, ScheduledEvent, State,
    Stub, durable_object, event,
};

/// Nights are made up for that were missed so long ago.
const MAKE_UP: Duration = Duration::from_secs(7 * 24 * 3600);

// === the handlers ===

#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    if let Err(error) = watch_over(&env).await {
        worker::console_error!("the regions could not be looked after: {error}");
    }
}

async fn watch_over(env: &Env) -> Result<()> {
    for name in names(env, "RETIRED")? {
        let () = call(&region(env, &name)?, "/stop", &()).await?;
    }
    let mut leader = None;
    for name in names(env, "CAMPAIGNING")? {
        // One that is out of order keeps none of the others from campaigning.
        match call::<Option<Lead>>(&region(env, &name)?, "/wake", &()).await {
            Ok(lead) => leader = lead.map(|lead| (name, lead.term)).or(leader),
            Err(error) => worker::console_error!("{name}: {error}"),
        }
    }
    match leader {
        Some((name, term)) => worker::console_log!("{name} leads, in term {term}"),
        None => worker::console_warn!("nobody leads: until somebody does, no report is written"),
    }
    Ok(())
}

/// What was written, to look at.
#[event(fetch)]
async fn fetch(_: Request, env: Env, _: worker::Context) -> Result<Response> {
    let nights: Vec<Night> = call(&report(&env)?, "/read", &()).await?;
    Response::from_json(&nights)
}

fn names(env: &Env, variable: &str) -> Result<Vec<String>> {
    Ok(env.var(variable)?.to_string().split_whitespace().map(str::to_owned).collect())
}

fn region(env: &Env, name: &str) -> Result<Stub> {
    env.durable_object("REGIONS")?.get_by_name_with_location_hint(name, name)
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
    env: Env,
    name: String,
    campaign: Campaign,
}

impl DurableObject for Region {
    fn new(state: State, env: Env) -> Self {
        let name = state.id().name().unwrap_or_else(|| state.id().to_string());
        let builder = Builder::new("nightly-report").id(name.as_str()).config(lessor_worker::config());
        let campaign = Campaign::new(&state, &env, "LEASES", builder);
        Self { env, name, campaign }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match request.path().as_str() {
            "/wake" => {
                self.campaign.ensure().await?;
                Response::from_json(&self.campaign.lead().await?)
            }
            "/stop" => Response::from_json(&self.campaign.stop().await?),
            path => Err(Error::RustError(format!("a region knows no {path}"))),
        }
    }

    /// Campaigns; and who leads writes what is due.
    async fn alarm(&self) -> Result<Response> {
        let cron = self.env.var("SCHEDULE")?.to_string();
        let nights = Schedule::new("nightly", &cron)?.make_up(MAKE_UP);
        match self.campaign.run_scheduled(&nights, |leadership, night| self.write(leadership, night)).await? {
            Scheduled::Failed { at_ms, error } => worker::console_error!("{at_ms}: there is no report yet: {error}"),
            Scheduled::Lost(lost) => worker::console_warn!("another region goes on: {lost}"),
            _ => {}
        }
        Response::empty()
    }
}

impl Region {
    /// An error is tried again.
    async fn write(&self, leadership: Leadership, scheduled_ms: u64) -> Result<()> {
        let night = Night { region: self.name.clone(), scheduled_ms, term: leadership.term().get() };
        match call(&report(&self.env)?, "/write", &night).await? {
            Taken::Written => worker::console_log!("{night:?}: written"),
            Taken::Before => worker::console_log!("{night:?}: there was one already"),
            Taken::TooLate => return Err(Error::RustError("a later term has written".into())),
        }
        Ok(())
    }
}

// === the job's target ===

#[derive(Debug, Serialize, Deserialize)]
struct Night {
    region: String,
    scheduled_ms: u64,
    term: u64,
}

/// What the target says.
#[derive(Debug, Serialize, Deserialize)]
enum Taken {
    Written,
    Before,
    TooLate,
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
        let newest =
            sql.exec("SELECT 1 FROM fence WHERE term = ?", vec![term.into()])?.to_array::<serde_json::Value>()?;
        if newest.is_empty() {
            return Response::from_json(&Taken::TooLate);
        }
        let write = "INSERT INTO nights VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let written = sql.exec(write, vec![scheduled_ms.into(), region.into(), term.into()])?;
        Response::from_json(&if written.rows_written() > 0 { Taken::Written } else { Taken::Before })
    }
}
