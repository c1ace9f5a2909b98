//! A campaign for classes that are written in JavaScript (`js/campaign.js`).

use core::num::NonZeroU32;
use core::time::Duration;
use std::cell::Cell;

use js_sys::{Array, Function, Promise};
use lessor::{Builder, Config, Id, Key, Leadership, Term, Value};
use lessor_service::{Layout, json};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::{Campaign, Lead, Scheduled, config};
use crate::schedule::Schedule;

/// What a class says of itself. Durations are in ms.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Settings {
    key: String,
    id: String,
    #[serde(default = "leases")]
    binding: String,
    shards: Option<NonZeroU32>,
    value: Option<String>,
    schedule: Option<Times>,
    ttl_ms: Option<f64>,
    renew_interval_ms: Option<f64>,
    retry_interval_ms: Option<f64>,
    request_timeout_ms: Option<f64>,
    margin_ms: Option<f64>,
    drain_timeout_ms: Option<f64>,
    cool_off_ms: Option<f64>,
    min_hold_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Times {
    cron: String,
    #[serde(default = "first")]
    name: String,
    #[serde(default)]
    make_up_ms: f64,
}

fn leases() -> String {
    "LEASES".into()
}

fn first() -> String {
    "schedule".into()
}

impl Settings {
    fn config(&self) -> Result<Config, String> {
        let mut config = match duration("ttlMs", self.ttl_ms)? {
            None => config(),
            // Alarms are late at times: as with the defaults, two of them may be.
            Some(ttl) => {
                let mut config = Config::with_ttl(ttl);
                config.renew_interval = ttl / 3;
                config.retry_interval = ttl / 3;
                config
            }
        };
        for (name, given, field) in [
            ("renewIntervalMs", self.renew_interval_ms, &mut config.renew_interval),
            ("retryIntervalMs", self.retry_interval_ms, &mut config.retry_interval),
            ("requestTimeoutMs", self.request_timeout_ms, &mut config.request_timeout),
            ("marginMs", self.margin_ms, &mut config.margin),
            ("drainTimeoutMs", self.drain_timeout_ms, &mut config.drain_timeout),
            ("coolOffMs", self.cool_off_ms, &mut config.cool_off),
            ("minHoldMs", self.min_hold_ms, &mut config.min_hold),
        ] {
            *field = duration(name, given)?.unwrap_or(*field);
        }
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }
}

fn duration(name: &str, ms: Option<f64>) -> Result<Option<Duration>, String> {
    let Some(ms) = ms else { return Ok(None) };
    let read = Duration::try_from_secs_f64(ms / 1e3);
    read.map(Some).map_err(|_| format!("`{name}` is {ms}, allowed is a number of ms that is not negative"))
}

/// What a class in JavaScript campaigns with: made of the object's state and environment, and its settings as JSON.
#[wasm_bindgen]
pub struct CampaignCore {
    campaign: Campaign,
    schedule: Option<Schedule>,
}

impl core::fmt::Debug for CampaignCore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CampaignCore").field("campaign", &self.campaign).finish_non_exhaustive()
    }
}

#[wasm_bindgen]
impl CampaignCore {
    /// # Errors
    /// The settings do not fit.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: JsValue, settings: &str) -> Result<Self, JsError> {
        let settings: Settings = json::read(settings).map_err(|error| JsError::new(&error.to_string()))?;
        let refused = |error: String| JsError::new(&error);
        let config = settings.config().map_err(refused)?;
        // Now, and not at the first event.
        let key = Key::new(settings.key).map_err(|error| refused(error.to_string()))?;
        let id = Id::new(settings.id).map_err(|error| refused(error.to_string()))?;
        let value = settings.value.map(Value::new).transpose().map_err(|error| refused(error.to_string()))?;
        let layout = settings.shards.map_or(Layout::PerKey, Layout::Shards);
        let mut builder = Builder::new(key.as_str()).id(id.as_str()).config(config);
        if let Some(value) = value {
            builder = builder.value(value.as_str());
        }
        let read = |Times { cron, name, make_up_ms }| {
            let make_up = duration("makeUpMs", Some(make_up_ms))?.unwrap_or_default();
            Ok(Schedule::new(name, &cron).map_err(|error| error.to_string())?.make_up(make_up))
        };
        let schedule = settings.schedule.map(read).transpose().map_err(refused)?;
        let campaign = Campaign::new(&State::from(state), &Env::from(env), settings.binding, builder).layout(layout);
        Ok(Self { campaign, schedule })
    }

    /// What the alarm does. `begin` is called with the key, the term and the time that the work is for, if there is a schedule; it answers with a
    /// promise, and with what is called when the term ends before that is kept.
    ///
    /// Nothing; or what went wrong: `failed`, the error, and for which time, or `lost`, and why.
    ///
    /// # Errors
    /// As [`Campaign::run`].
    pub async fn alarm(&self, begin: &Function) -> Result<Option<Array>, JsValue> {
        let failed = |error: JsValue, at_ms: Option<u64>| {
            let at_ms = at_ms.map_or(JsValue::UNDEFINED, |at_ms| (at_ms as f64).into());
            Some(Array::of3(&"failed".into(), &error, &at_ms))
        };
        let lost = |why: lessor::Lost| Some(Array::of2(&"lost".into(), &why.to_string().into()));
        let Some(schedule) = &self.schedule else {
            let outcome = self.campaign.run(|leadership| work(begin, leadership, None)).await?;
            return Ok(match outcome {
                None | Some(Ok(Ok(()))) => None,
                Some(Ok(Err(error))) => failed(error, None),
                Some(Err(why)) => lost(why),
            });
        };
        let scheduled = self.campaign.run_scheduled(schedule, |leadership, at_ms| work(begin, leadership, Some(at_ms)));
        Ok(match scheduled.await? {
            Scheduled::Following | Scheduled::Done(_) => None,
            Scheduled::Failed { at_ms, error } => failed(error, Some(at_ms)),
            Scheduled::Lost(why) => lost(why),
        })
    }

    /// The term, and how much is left of it in ms; nothing: somebody else leads.
    ///
    /// # Errors
    /// As [`Campaign::lead`].
    pub async fn lead(&self) -> Result<Option<Array>, JsValue> {
        Ok(self.campaign.lead().await?.map(row))
    }

    /// The same, once for each time of a schedule.
    ///
    /// # Errors
    /// As [`Campaign::lead_once`].
    pub async fn lead_once(&self, name: &str, scheduled_ms: f64) -> Result<Option<Array>, JsValue> {
        Ok(self.campaign.lead_once(name, scheduled_ms as u64).await?.map(row))
    }

    /// # Errors
    /// As [`Campaign::ensure`].
    pub async fn ensure(&self) -> Result<(), JsValue> {
        Ok(self.campaign.ensure().await?)
    }

    /// # Errors
    /// As [`Campaign::resign`].
    pub async fn resign(&self) -> Result<bool, JsValue> {
        Ok(self.campaign.resign().await?)
    }

    /// # Errors
    /// As [`Campaign::stop`].
    pub async fn stop(&self) -> Result<(), JsValue> {
        Ok(self.campaign.stop().await?)
    }

    /// How much is left of this term, in ms. 0: it is over, or is handed over, or the event that it began in is.
    #[must_use]
    pub fn remaining_ms(&self, term: f64) -> f64 {
        let remaining = Term::new(term as u64).map(|term| self.campaign.object.remaining(term));
        remaining.unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// Terms are below 2^53.
fn number(term: Term) -> f64 {
    term.get() as f64
}

fn row(lead: Lead) -> Array {
    Array::of2(&number(lead.term).into(), &(lead.time_left_ms as f64).into())
}

/// The work of a term, until it is done. Dropped before that, it is told.
async fn work(begin: &Function, leadership: Leadership, at_ms: Option<u64>) -> Result<(), JsValue> {
    let at_ms = at_ms.map_or(JsValue::UNDEFINED, |at_ms| (at_ms as f64).into());
    let key = leadership.key().as_str().into();
    let begun = begin.call3(&JsValue::UNDEFINED, &key, &number(leadership.term()).into(), &at_ms)?;
    let begun: Array = begun.dyn_into()?;
    let end = End { end: begun.get(1).dyn_into()?, is_done: Cell::new(false) };
    let outcome = wasm_bindgen_futures::JsFuture::from(Promise::resolve(&begun.get(0))).await;
    end.is_done.set(true);
    outcome.map(drop)
}

struct End {
    end: Function,
    is_done: Cell<bool>,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.is_done.get() {
            // What it throws is nothing to us: a signal calls whoever listens.
            let _ = self.end.call0(&JsValue::UNDEFINED);
        }
    }
}
