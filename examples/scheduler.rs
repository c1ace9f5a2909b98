//! A scheduler with cron expressions: any number of processes wake up for each run, and the one that leads does it. On
//! tokio; the expressions are those of crate `croner`.
//!
//! `cargo run --features scheduler --example scheduler -- '*/2 * * * * *'`, in two terminals. Fields are second (may
//! be left out), minute, hour, day, month and weekday, in UTC; by default each second. They share `leases.db` in the
//! current folder, or what the URL in `LESSOR_STORAGE` names (see `lessor_any::open`; an engine other than SQLite
//! needs its feature: `--features scheduler,postgres`, say).
//!
//! One of them prints each run with its term. Stop it with Ctrl-C or SIGTERM: the other goes on with the next run, and
//! repeats none. Kill it: the runs of the next 10 s, the ttl, are left out.
//!
//! A run is done by the process that led when it was due, if that still leads when the run begins. So no run is done
//! twice, as far as the machines' wall clocks agree; a run that is due while nobody leads is left out. To catch up on
//! those, the job has to remember what was done, in the transaction of its result (`fenced_write`).

use std::env;
use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use futures::channel::oneshot;
use lessor::{Builder, Candidate, Leadership};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cron: Cron = env::args().nth(1).unwrap_or_else(|| "* * * * * *".into()).parse()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    ctrlc::set_handler(move || drop(stop.take()))?;

    let storage = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
    let storage = lessor_any::open(&storage).await?;
    let (candidate, driver) = Builder::new("scheduler").build(storage)?;
    let driver = tokio::spawn(driver.run_until(stopped));
    tokio::select! {
        outcome = schedule(&cron, candidate) => outcome?,
        // The run under way was dropped, or has ended, before the lease was released.
        ended = driver => ended?,
    }
    println!("handed over");
    Ok(())
}

async fn schedule(cron: &Cron, candidate: Candidate) -> Result<(), Box<dyn Error>> {
    println!("runs are due {}", cron.describe());
    let mut last = Utc::now();
    loop {
        // After a long pause (the machine slept) not everything is done at once.
        last = last.max(Utc::now() - TimeDelta::seconds(10));
        let due = cron.find_next_occurrence(&last, false)?;
        last = due;
        tokio::time::sleep((due - Utc::now()).to_std().unwrap_or_default()).await;
        if let Some(leadership) = leads_since(&candidate, due) {
            // Not awaited here: a job may last longer than until the next run. Its term ends it.
            tokio::spawn(async move {
                if let Err(lost) = leadership.run(job(due, &leadership)).await {
                    println!("the run of {} was dropped: {lost}", due.format("%T"));
                }
            });
        }
    }
}

/// The leadership, if it began before this: a run that was due earlier may have been done by who led then.
fn leads_since(candidate: &Candidate, due: DateTime<Utc>) -> Option<Leadership> {
    let leadership = candidate.leadership()?;
    // Negative if the wall clock was set back meanwhile.
    let late = (Utc::now() - due).to_std().ok()?;
    (leadership.age() >= late).then_some(leadership)
}

async fn job(due: DateTime<Utc>, leadership: &Leadership) {
    println!("run of {} in term {}", due.format("%T"), leadership.term());
}
