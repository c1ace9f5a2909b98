//! `lessor run -- true` on a file, from start to exit, beside a bare program that does no more than it must: opens the file with
//! lessor-sqlite, claims, runs `true`, and releases. The bare program has no leash, no renewals, no options and no other storage.
//!
//! `cargo bench -p lessor-cli --bench run`. Both take turns in each round, and each begins some of the rounds, so that whatever else the
//! machine does meets both. The ratio is that of the medians; beside it stands the median of the ratios within the rounds.
#![allow(missing_docs, reason = "a program")]

#[cfg(unix)]
use std::error::Error;

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
const ROUNDS: usize = 400;

#[cfg(unix)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args();
    if let (Some("bare"), Some(file)) = (arguments.nth(1).as_deref(), arguments.next()) {
        return bare::perform(&file);
    }
    compare()
}

#[cfg(unix)]
fn compare() -> Result<(), Box<dyn Error>> {
    use std::process::Command;

    let folder = tempfile::tempdir()?;
    let file = |name| folder.path().join(name);
    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg("bare").arg(file("bare.db"));
    let mut lessor =
        Command::new(std::env::var_os("LESSOR_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_lessor").into()));
    lessor.args(["run", "--quiet", "--key", "nightly", "--storage"]).arg(file("run.db")).args(["--", "true"]);
    // The files are there, as on every day but the first.
    for command in [&mut bare, &mut lessor] {
        measured(command)?;
    }
    let (mut bares, mut lessors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (one, other) = if round % 2 == 0 {
            let one = measured(&mut bare)?;
            (one, measured(&mut lessor)?)
        } else {
            let other = measured(&mut lessor)?;
            (measured(&mut bare)?, other)
        };
        bares.push(one);
        lessors.push(other);
        ratios.push(other / one);
    }
    let (bare, lessor, within) = (median(&mut bares), median(&mut lessors), median(&mut ratios));
    println!("bare program {:.2} ms, lessor run {:.2} ms ({ROUNDS} rounds)", bare * 1000.0, lessor * 1000.0);
    println!("ratio of the medians {:.2}, median of the ratios {within:.2}", lessor / bare);
    Ok(())
}

/// In seconds.
#[cfg(unix)]
fn measured(command: &mut std::process::Command) -> Result<f64, Box<dyn Error>> {
    use lessor::{SystemTimer, Timer};

    let timer = SystemTimer::new();
    let began = timer.now();
    let status = command.status()?;
    let took = timer.now().saturating_duration_since(began);
    if status.success() { Ok(took.as_secs_f64()) } else { Err(format!("{command:?}: {status}").into()) }
}

#[cfg(unix)]
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(unix)]
mod bare {
    use std::error::Error;
    use std::process::Command;
    use std::time::Duration;

    use lessor::storage::{Acquired, Claim, Release, Session, StorageExt};
    use lessor::{Id, Key};
    use lessor_sqlite::SqliteStorage;

    pub(super) fn perform(file: &str) -> Result<(), Box<dyn Error>> {
        futures::executor::block_on(async {
            let storage = SqliteStorage::open(file).await?;
            storage.migrate().await?;
            let (key, session) = (Key::new("nightly")?, Session::from_bits(u128::from(std::process::id())));
            let claim = Claim::new(key.clone(), Id::new("bare")?, session, Duration::from_secs(10));
            let mut acquired = storage.acquire(claim.clone()).await?;
            // Who claims a key that is free has to know its newest term.
            if let Acquired::Refused { lease: Some(lease), .. } = &acquired {
                acquired = storage.acquire(claim.after(Some(lease.term))).await?;
            }
            if !matches!(acquired, Acquired::Granted { .. }) {
                return Err("the lease was not granted".into());
            }
            let status = Command::new("true").status()?;
            storage.release(Release::new(key, session)).await?;
            if status.success() { Ok(()) } else { Err(status.to_string().into()) }
        })
    }
}
