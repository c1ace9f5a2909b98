//! Of several regions one does the work, by schedule: none of its times twice, and none missing.
//!
//! A `Region` is a candidate: a Durable Object that campaigns by its alarm, for a lease of the lease service. The leader's alarm knows the
//! schedule, and makes up for times that were missed. The cron trigger is the watchdog.

use std::time::Duration;

use lessor::{Builder, Leadership};
use lessor_worker::{Campaign, Schedule, Scheduled};
use worker::{
    Context, DurableObject, Env, Error, Fetch, Headers, Method, Request, RequestInit, Response, Result, ScheduleContext,
    ScheduledEvent, State, console_error, console_warn, durable_object, event,
};

/// Each is the location hint that its candidate is made near to.
const REGIONS: [&str; 3] = ["weur", "enam", "apac"];

/// Times are made up for that were missed so long ago.
const MAKE_UP: Duration = Duration::from_secs(24 * 3600);

/// Begins the campaigns, and sets alarms again that were lost.
#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    for name in REGIONS {
        if let Err(error) = ask(&env, name, "ensure").await {
            console_error!("{name}: {error}");
        }
    }
}

/// Who leads: a line for each region.
#[event(fetch)]
async fn fetch(_: Request, env: Env, _: Context) -> Result<Response> {
    let mut lines = String::new();
    for name in REGIONS {
        lines += &format!("{name}: {}\n", ask(&env, name, "lead").await?);
    }
    Response::ok(lines)
}

async fn ask(env: &Env, name: &str, what: &str) -> Result<String> {
    let region = env.durable_object("REGIONS")?.get_by_name_with_location_hint(name, name)?;
    region.fetch_with_str(&format!("https://region/{what}")).await?.text().await
}

/// A candidate.
#[durable_object]
pub struct Region {
    env: Env,
    campaign: Campaign,
}

impl DurableObject for Region {
    fn new(state: State, env: Env) -> Self {
        let name = state.id().name().unwrap_or_else(|| state.id().to_string());
        let builder = Builder::new("{{project-name}}").id(name).config(lessor_worker::config());
        let campaign = Campaign::new(&state, &env, "LEASES", builder);
        Self { env, campaign }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match request.path().as_str() {
            "/ensure" => self.campaign.ensure().await?,
            _ => {
                let lead = self.campaign.lead().await?;
                return Response::ok(lead.map_or("follows".into(), |lead| format!("leads in term {}", lead.term)));
            }
        }
        Response::empty()
    }

    async fn alarm(&self) -> Result<Response> {
        let cron = self.env.var("SCHEDULE")?.to_string();
        let schedule = Schedule::new("work", &cron)?.make_up(MAKE_UP);
        match self.campaign.run_scheduled(&schedule, |leadership, time| self.work(leadership, time)).await? {
            Scheduled::Failed { at_ms, error } => console_error!("{at_ms}: {error}"),
            Scheduled::Lost(lost) => console_warn!("another region goes on: {lost}"),
            _ => {}
        }
        Response::empty()
    }
}

impl Region {
    /// Dropped when the term ends; tried again after an error. What is written to refuses older terms than the newest that it has seen.
    async fn work(&self, leadership: Leadership, time: u64) -> Result<()> {
        let headers = Headers::new();
        headers.set("fencing-term", &leadership.term().to_string())?;
        let mut init = RequestInit::new();
        init.with_method(Method::Put).with_headers(headers);
        let url = format!("{}/{time}", self.env.var("REPORTS")?.to_string());
        let answer = Fetch::Request(Request::new_with_init(&url, &init)?).send().await?;
        match answer.status_code() {
            200..300 => Ok(()),
            status => Err(Error::RustError(format!("the report was refused: {status}"))),
        }
    }
}
