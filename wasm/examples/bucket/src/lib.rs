//! A report that exactly one of several Workers writes at each time of a cron trigger, over a bucket of R2: without a Durable Object.
//!
//! The same Worker is deployed twice, with one bucket. At each time both wake: one leads, collects the report and writes it, and resigns;
//! the other stands by, takes over if the first one dies on the way, and else finds that there is nothing left to do. All of that is
//! within one event, since no loop of a Worker survives its event. What is written has its term in it, and the `Report` takes none that
//! is older than its newest.
//!
//! It has run in workerd with the R2 that wrangler has for one's own machine (`tests/edge/tests/bucket.rs`), and not yet on Cloudflare's.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, missing_debug_implementations, reason = "what the macros make has none")]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]

use core::time::Duration;

use futures::future::join;
use lessor::{Builder, Config, Leadership, Then, Timer};
use lessor_worker::{R2Storage, WorkerTimer};
use worker::{Env, Error, Fetch, Request, Response, Result, ScheduleContext, ScheduledEvent, event};

use report::{Outcome, Report};

mod report;

/// How long a Worker leads or stands by: an event of a cron trigger has 15 minutes.
const PATIENCE: Duration = Duration::from_secs(14 * 60);

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    if let Err(error) = campaign(event.schedule() as u64, &env).await {
        worker::console_error!("this time there was no campaign: {error}");
    }
}

/// Until the report of this time is there, whoever has written it.
async fn campaign(scheduled_ms: u64, env: &Env) -> Result<()> {
    let ttl = env.var("TTL_SECONDS")?.to_string().parse();
    let ttl = ttl.map(Duration::from_secs).map_err(|_| Error::from("TTL_SECONDS is no number"))?;
    let mut config = Config::with_ttl(ttl);
    // R2 takes one write a second to an object: the claim, and then what releases it.
    config.min_hold = Duration::from_secs(1);
    let (storage, timer) = (R2Storage::new(env.bucket("BUCKET")?), WorkerTimer::new());
    let builder = Builder::new("report").id(env.var("NAME")?.to_string()).config(config);
    let (candidate, driver) = builder.build_on(storage, timer).map_err(|error| Error::from(error.to_string()))?;
    let lead = candidate.lead(async |leadership| match report(scheduled_ms, env, &leadership).await {
        Ok(outcome) => {
            worker::console_log!("{} in term {}: {outcome}", candidate.id(), leadership.term());
            Then::Stop
        }
        // The other one may succeed; or this one, after it.
        Err(error) => {
            worker::console_error!("{} in term {}: {error}", candidate.id(), leadership.term());
            Then::Resign
        }
    });
    // The lease is released before the event ends, so that the next one need not wait for it.
    let (lead, ()) = join(lead, driver.run_until(timer.sleep(PATIENCE))).await;
    lead.map_err(|error| Error::from(error.to_string()))
}

/// The job. When the term ends it is dropped where it waits; what it has sent by then may still come late.
async fn report(scheduled_ms: u64, env: &Env, leadership: &Leadership) -> Result<Outcome> {
    let report = Report::new(env.bucket("BUCKET")?);
    if report.is_there(scheduled_ms).await? {
        return Ok(Outcome::WasThere);
    }
    let mut answer = Fetch::Url(env.var("SOURCE")?.to_string().parse()?).send().await?;
    if answer.status_code() != 200 {
        return Err(format!("the source answers {}", answer.status_code()).into());
    }
    report.write(scheduled_ms, leadership.term(), answer.text().await?).await
}

/// The newest report, to look at.
#[event(fetch)]
async fn fetch(_: Request, env: Env, _: worker::Context) -> Result<Response> {
    match Report::new(env.bucket("BUCKET")?).newest().await? {
        Some(report) => Response::from_json(&report),
        None => Response::error("there is no report yet", 404),
    }
}
