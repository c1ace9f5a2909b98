//! Many candidates of one process, on one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{join_all, select};
use lessor::{Builder, Candidate, Storage};
use smol::{Executor, Task, Timer};

/// From one look at all of them to the next.
const GLANCE: Duration = Duration::from_millis(100);

/// Nobody waits longer than this for all to lead.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Crowd {
    executor: Arc<Executor<'static>>,
    candidates: Vec<Candidate>,
    drivers: Vec<Task<()>>,
    began: Instant,
}

/// What was seen while it was watched.
pub(crate) struct Seen {
    /// So many led at least.
    pub(crate) least: usize,
    pub(crate) looks: usize,
    /// How many led at the end of each second.
    pub(crate) by_second: Vec<usize>,
}

impl Crowd {
    /// So many, all at once: each built by this.
    pub(crate) fn start(
        count: usize,
        storage: &(impl Storage + Clone + 'static),
        build: impl Fn(usize) -> Builder,
    ) -> Self {
        let executor = Arc::new(Executor::new());
        let began = Instant::now();
        let (mut candidates, mut drivers) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for number in 0..count {
            let (candidate, driver) = build(number).build(storage.clone()).expect("a candidate");
            candidates.push(candidate);
            drivers.push(executor.spawn(driver.run().map(drop)));
        }
        Self { executor, candidates, drivers, began }
    }

    pub(crate) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    pub(crate) fn led(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.is_leader()).count()
    }

    /// Runs them for as long as this takes.
    pub(crate) async fn run<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        self.executor.run(meanwhile).await
    }

    /// Until all lead: how long after the start. `None`: they did not.
    pub(crate) async fn all_lead(&self) -> Option<Duration> {
        self.all_lead_since(self.began).await
    }

    pub(crate) async fn all_lead_since(&self, began: Instant) -> Option<Duration> {
        let all = async {
            while self.led() < self.candidates.len() {
                Timer::after(GLANCE / 10).await;
            }
            began.elapsed()
        };
        let limit = async {
            Timer::after(PATIENCE).await;
        };
        let first = select(Box::pin(self.run(all)), Box::pin(limit)).await;
        match first {
            futures::future::Either::Left((took, _)) => Some(took),
            futures::future::Either::Right(_) => None,
        }
    }

    pub(crate) async fn watch(&self, during: Duration) -> Seen {
        let looks = async {
            let (began, mut seen) =
                (Instant::now(), Seen { least: self.candidates.len(), looks: 0, by_second: Vec::new() });
            while began.elapsed() < during {
                Timer::after(GLANCE).await;
                let led = self.led();
                seen.least = seen.least.min(led);
                seen.looks += 1;
                if began.elapsed().as_secs() as usize > seen.by_second.len() {
                    seen.by_second.push(led);
                }
            }
            seen
        };
        self.run(looks).await
    }

    /// All give up what they have.
    pub(crate) async fn end(self) {
        let ends = join_all(self.candidates.iter().map(Candidate::shutdown));
        self.executor.run(ends).await;
        self.executor.run(join_all(self.drivers)).await;
    }
}
