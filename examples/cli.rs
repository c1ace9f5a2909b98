//! A command line tool that does its job only if it leads: cron starts it on many machines in the same minute, and it
//! does the job on one of them. On smol.
//!
//! `cargo run --example cli & cargo run --example cli`: one writes the report. The exit status is 0 for the one that
//! did it, 3 for one that left it to another, 1 for an error. They share `leases.db` in the current folder, or what
//! the URL in `LESSOR_STORAGE` names (see `lessor_any::open`; an engine other than SQLite needs its feature:
//! `--features postgres`, say).
//!
//! A quick job may be over before the next machine starts, whose clock is a second late. So the leader holds its lease
//! for at least `MIN_HOLD`, and nobody waits longer than `PATIENCE`: a process that starts less than
//! `MIN_HOLD - PATIENCE` after the first leaves the job to it. If the leader dies during the job, its lease lasts for
//! the ttl, and the others have ended by then: the job is not done this time.
//!
//! The election does not remember what was done. A machine that is later than that does the job again, in the next
//! term. Where that must not happen, the job itself has to remember: a row for each date, say, written in the
//! transaction of its result and guarded by the term (`fenced_write`).

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use lessor::{Builder, Leadership};
use smol::Timer;
use smol::future::or;

/// In production: a minute, or as much as clocks and starts may differ.
const MIN_HOLD: Duration = Duration::from_secs(5);
/// How long the storage may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    smol::block_on(async {
        let storage = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
        let storage = lessor_any::open(&storage).await?;
        let (candidate, driver) = Builder::new("nightly-report").min_hold(MIN_HOLD).build(storage)?;
        let driver = smol::spawn(driver.run());

        let elected = async { candidate.elected().await.ok() };
        let too_late = async {
            Timer::after(PATIENCE).await;
            candidate.leadership()
        };
        let did = match or(elected, too_late).await {
            // Dropped, if the term ends before it is done.
            Some(leadership) => Some(leadership.run(job(&leadership)).await?),
            None => None,
        };
        match (&did, candidate.leader()) {
            (Some(report), _) => println!("{report}"),
            (None, Some(lease)) => println!("left it to another, in term {}", lease.term),
            (None, None) => {
                return Err(format!("the storage does not answer: {:?}", candidate.status().last_error).into());
            }
        }
        // Holds the term until `MIN_HOLD` has passed, and releases it.
        candidate.shutdown().await?;
        driver.await;
        Ok(if did.is_some() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    })
}

async fn job(leadership: &Leadership) -> String {
    format!("wrote the report, in term {}", leadership.term())
}
