//! A campaign whose job has a schedule.

use core::future::Future;
use std::cell::{Cell, RefCell};

use lessor::{Leadership, Lost, Term};
use worker::{Error, Result};

use super::awake::Awake;
use super::{Campaign, Due, Lead, now_ms};
use crate::schedule::{Schedule, check_name};

/// How long a job that failed waits: twice as long each time, up to the longest.
const FIRST_PAUSE_MS: u64 = 5_000;
const LONGEST_PAUSE_MS: u64 = 600_000;

/// What came of the times of a schedule that were due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheduled<E> {
    /// Somebody else leads, or nobody.
    Following,
    /// So many times are done: none, if none was due.
    Done(usize),
    /// The job failed for this time. An alarm to come tries again: after 5 s, then after twice as long each time, up to 10 minutes.
    Failed {
        /// Which time: in ms since 1970.
        at_ms: u64,
        /// What it said.
        error: E,
    },
    /// The term ended while the job was under way: whoever leads next does it.
    Lost(Lost),
}

/// What this instance of the object knows of its schedules.
#[derive(Default)]
pub(super) struct Progress {
    /// Up to when they are done, in this term: only its leader moves that on.
    marks: RefCell<Vec<Mark>>,
    failing: Cell<Failing>,
}

struct Mark {
    name: String,
    term: Term,
    done_ms: u64,
}

/// A job that fails.
#[derive(Clone, Copy, Default)]
struct Failing {
    pause_ms: u64,
    again_ms: u64,
}

impl Progress {
    /// Moves on up to when a schedule is done, in this term: up to when it was before. A time of 0 only asks.
    async fn mark(&self, awake: &Awake, name: &str, term: Term, at_ms: u64) -> Result<u64> {
        let known = || {
            let marks = self.marks.borrow();
            marks.iter().find(|mark| mark.name == name && mark.term == term).map(|mark| mark.done_ms)
        };
        if let Some(done_ms) = known().filter(|done_ms| *done_ms >= at_ms) {
            return Ok(done_ms);
        }
        // A campaign has one.
        let Some(candidate) = awake.candidates().next() else { return Ok(0) };
        let marked = awake.storage.mark(candidate.key(), name, term, at_ms).await;
        let before_ms = marked.map_err(|error| Error::RustError(format!("schedule {name}: {error}")))?;
        let mut marks = self.marks.borrow_mut();
        marks.retain(|mark| mark.name != name);
        marks.push(Mark { name: name.to_owned(), term, done_ms: before_ms.max(at_ms) });
        Ok(before_ms)
    }

    fn job_failed(&self) {
        let pause_ms = (self.failing.get().pause_ms * 2).clamp(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
        self.failing.set(Failing { pause_ms, again_ms: now_ms().saturating_add(pause_ms) });
    }

    /// The time that is to be done now.
    fn due(&self, schedule: &Schedule, done_ms: u64) -> Option<u64> {
        let now_ms = now_ms();
        schedule.due(done_ms, now_ms).filter(|_| self.failing.get().again_ms <= now_ms)
    }

    /// When there is something to do again: at the next time of the schedule, or when a job that failed is tried again.
    fn next(&self, schedule: &Schedule) -> Option<Due> {
        let now_ms = now_ms();
        let again_ms = Some(self.failing.get().again_ms).filter(|again_ms| *again_ms > now_ms);
        again_ms.into_iter().chain(schedule.next(now_ms)).min().map(Due)
    }
}

impl Campaign {
    /// What the alarm does where the job has a schedule: a step; if that leads, the job for each time that is due, with steps while it
    /// lasts; and the next alarm, which comes when the next step or the next time is due.
    ///
    /// The alarm alone does it: no cron trigger is needed, but for [`ensure`](Self::ensure). Up to when all is done stands with the lease,
    /// where only the leader of the newest term can move it on: the next leader goes on there, and makes up for what was missed while
    /// nobody led ([`Schedule::make_up`]). A time is done when the job says `Ok`. If the leader dies before that is written, the next one
    /// does that time once more: let the job's target refuse a time that it has taken, and each term but the newest.
    ///
    /// # Errors
    /// As [`run`](Self::run); the object that holds the lease did not answer, and an alarm to come asks again.
    ///
    /// # Cancel safety
    /// The job is dropped, and its time is still due.
    pub async fn run_scheduled<J, E>(
        &self,
        schedule: &Schedule,
        mut job: impl FnMut(Leadership, u64) -> J,
    ) -> Result<Scheduled<E>>
    where
        J: Future<Output = core::result::Result<(), E>>,
    {
        let awake = self.object.begin().await?;
        let Some(leadership) = awake.leadership() else { return Ok(Scheduled::Following) };
        let work = leadership.run(self.do_due(&awake, schedule, &leadership, &mut job));
        let (outcome, due) = awake.meanwhile(work).await;
        let next = self.progress.next(schedule).filter(|_| outcome.is_ok());
        self.object.arm(due.map(|due| due.min(next.unwrap_or(due))), false).await?;
        outcome.unwrap_or_else(|lost| Ok(Scheduled::Lost(lost)))
    }

    async fn do_due<J, E>(
        &self,
        awake: &Awake,
        schedule: &Schedule,
        leadership: &Leadership,
        job: &mut impl FnMut(Leadership, u64) -> J,
    ) -> Result<Scheduled<E>>
    where
        J: Future<Output = core::result::Result<(), E>>,
    {
        let (name, term) = (schedule.name(), leadership.term());
        let mut done_ms = self.progress.mark(awake, name, term, 0).await?;
        if done_ms == 0 {
            // What was before it was ever led for is nobody's.
            done_ms = now_ms();
            self.progress.mark(awake, name, term, done_ms).await?;
        }
        let mut done = 0;
        while let Some(at_ms) = self.progress.due(schedule, done_ms) {
            if let Err(error) = job(leadership.clone(), at_ms).await {
                self.progress.job_failed();
                return Ok(Scheduled::Failed { at_ms, error });
            }
            self.progress.failing.take();
            self.progress.mark(awake, name, term, at_ms).await?;
            done_ms = at_ms;
            done += 1;
        }
        Ok(Scheduled::Done(done))
    }

    /// [`lead`](Self::lead), once for each time of a schedule: for whoever is told of the times by others, as by a cron trigger, which may
    /// come twice, or never. ([`run_scheduled`](Self::run_scheduled) knows them by itself.)
    ///
    /// `name` tells schedules of the key apart, as in [`Schedule::new`]. A time that is not later than the last one that was led for, by
    /// whichever candidate, is not led for again, not even if the job failed: to try again is for whoever was told.
    ///
    /// # Errors
    /// As [`run`](Self::run); the name does not fit; the object that holds the lease did not answer.
    ///
    /// # Cancel safety
    /// The time may or may not have been led for.
    pub async fn lead_once(&self, name: &str, scheduled_ms: u64) -> Result<Option<Lead>> {
        check_name(name)?;
        let Some(lead) = self.lead().await? else { return Ok(None) };
        let awake = self.object.wake()?;
        let before_ms = self.progress.mark(&awake, name, lead.term, scheduled_ms).await?;
        Ok((before_ms < scheduled_ms).then_some(lead))
    }
}
