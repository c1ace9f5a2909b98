//! Candidates of many keys in one object.

use core::fmt;
use core::future::Future;

use futures::future::join_all;
use lessor::{Builder, Candidate, Config, Key, Leadership, Lost};
use lessor_service::Layout;
use worker::{Env, Result, State};

use super::object::Object;
use super::{Lead, config};

/// The campaigns of a Durable Object for many keys: one alarm steps all of them, and their tickets are one row. A renewal then costs
/// little more than the request to its lease. All else is as with a [`Campaign`](super::Campaign).
///
/// Each candidate leads, or not, by itself.
///
/// ```no_run
/// use lessor_worker::CampaignGroup;
/// use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};
///
/// #[durable_object]
/// pub struct Shards {
///     campaigns: CampaignGroup,
/// }
///
/// impl DurableObject for Shards {
///     fn new(state: State, env: Env) -> Self {
///         let keys = (0..16).map(|number| format!("shard/{number}"));
///         Self { campaigns: CampaignGroup::new(&state, &env, "LEASES", "weur", keys) }
///     }
///
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         Response::from_json(&self.campaigns.lead("shard/7").await?)
///     }
///
///     async fn alarm(&self) -> Result<Response> {
///         let work = |leadership: lessor::Leadership| async move { println!("{}", leadership.key()) };
///         self.campaigns.run(work).await?;
///         Response::empty()
///     }
/// }
/// ```
pub struct CampaignGroup {
    object: Object,
}

impl core::panic::RefUnwindSafe for CampaignGroup {}
impl core::panic::UnwindSafe for CampaignGroup {}

impl CampaignGroup {
    /// For the object of this state, over the `LeaseObject`s of this binding: under this id a candidate for each of these keys, with
    /// [`config()`](super::config). Nothing is checked before the first event.
    #[must_use]
    pub fn new(
        state: &State,
        env: &Env,
        binding: impl Into<String>,
        id: &str,
        keys: impl IntoIterator<Item: Into<String>>,
    ) -> Self {
        let builders = keys.into_iter().map(|key| Builder::new(key).id(id).config(config())).collect();
        Self { object: Object::new(state, env, binding.into(), builders) }
    }

    /// With these durations.
    #[must_use]
    pub fn config(self, config: &Config) -> Self {
        Self { object: self.object.each(|builder| builder.config(config.clone())) }
    }

    /// Over objects that leases are spread over like this: as the service's variable `LESSOR_SHARDS` says.
    #[must_use]
    pub fn layout(self, layout: Layout) -> Self {
        Self { object: self.object.layout(layout) }
    }

    /// What the alarm does: a step of each candidate; the jobs of those that lead, side by side, with steps while they last; and the next alarm.
    ///
    /// A job is dropped when its term ends: then its outcome is [`Lost`]. There is none for keys that others lead.
    ///
    /// # Errors
    /// The object's storage or its alarm cannot be used, or a key or the durations do not fit.
    ///
    /// # Cancel safety
    /// The jobs are dropped, and the candidates sleep.
    pub async fn run<J: Future>(
        &self,
        mut job: impl FnMut(Leadership) -> J,
    ) -> Result<Vec<(Key, core::result::Result<J::Output, Lost>)>> {
        let awake = self.object.begin().await?;
        let led: Vec<_> = awake.candidates().filter_map(Candidate::leadership).collect();
        let jobs = led.into_iter().map(|leadership| {
            let job = job(leadership.clone());
            async move { (leadership.key().clone(), leadership.run(job).await) }
        });
        let (outcomes, due) = awake.meanwhile(join_all(jobs)).await;
        self.object.arm(due, false).await?;
        Ok(outcomes)
    }

    /// As [`Campaign::lead`](super::Campaign::lead), of this key. `None` too where it is none of the group's.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// The candidates sleep.
    pub async fn lead(&self, key: &str) -> Result<Option<Lead>> {
        self.object.lead(|of| of.as_str() == key).await
    }

    /// As [`Campaign::resign`](super::Campaign::resign), of this key.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// It may or may not have handed over.
    pub async fn resign(&self, key: &str) -> Result<bool> {
        self.object.resign(|of| of.as_str() == key).await
    }

    /// As [`Campaign::stop`](super::Campaign::stop), of all keys.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// They may or may not have ended. Call it again.
    pub async fn stop(&self) -> Result<()> {
        self.object.stop().await
    }

    /// As [`Campaign::ensure`](super::Campaign::ensure).
    ///
    /// # Errors
    /// The alarm cannot be used.
    ///
    /// # Cancel safety
    /// The alarm may or may not have been set.
    pub async fn ensure(&self) -> Result<()> {
        self.object.ensure().await
    }
}

impl fmt::Debug for CampaignGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CampaignGroup").field("object", &self.object).finish_non_exhaustive()
    }
}
