//! `lessor check`: whether candidates can use a storage, and how fast it is.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use lessor::storage::List;
use lessor::{Config, StorageExt};
use serde::Serialize;
use tokio::time::Instant;

use crate::duration;
use crate::exit::Exit;
use crate::output::{self, Output, OutputArguments};
use crate::storage::{Asked, not_opened};

/// How many looks are timed.
const LOOKS: usize = 20;
/// What part of a request's time-out its slowest answer may take: the next one may be slower.
const SHARE: u32 = 4;

/// Show whether candidates can use the storage, how long it takes to answer, and which ttl fits
///
/// Nothing is created: that is what `lessor migrate` does.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The ttl that is meant
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    ttl: Duration,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

/// What was found, for programs.
#[derive(Serialize)]
struct Found {
    storage: &'static str,
    /// Whose clock judges whether a lease has expired: the storage's, or each candidate's own.
    judge: &'static str,
    fastest_ms: f64,
    median_ms: f64,
    slowest_ms: f64,
    shortest_ttl_ms: u64,
    ttl_ms: u64,
    fits: bool,
}

pub(crate) async fn perform(Arguments { ttl, asked, output }: Arguments) -> Result<ExitCode, Exit> {
    let storage = lessor_any::engine(&asked.storage.storage).map_err(not_opened)?;
    let asking = asked.connect().await?;
    asking.ask(asking.storage.check()).await?;
    let mut took = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        asking.ask(asking.storage.list(List::new().limit(1))).await?;
        took.push(began.elapsed());
    }
    took.sort();
    let [fastest, median, slowest] =
        [0, LOOKS / 2, LOOKS - 1].map(|place| took.get(place).copied().unwrap_or_default());
    let shortest = shortest_ttl(slowest);
    let found = Found {
        storage,
        judge: judge(storage),
        fastest_ms: ms(fastest),
        median_ms: ms(median),
        slowest_ms: ms(slowest),
        shortest_ttl_ms: whole_ms(shortest),
        ttl_ms: whole_ms(ttl),
        fits: shortest <= ttl,
    };
    match output.output {
        Output::Json => output::write_json(&found)?,
        Output::Text => output::write(|out| {
            writeln!(out, "storage  {storage}: candidates can use it")?;
            writeln!(out, "clock    leases expire by {}; times of day are never compared", found.judge)?;
            writeln!(
                out,
                "answers  {LOOKS} looks took {:.1} ms at best, {:.1} ms in the middle, {:.1} ms at worst",
                found.fastest_ms, found.median_ms, found.slowest_ms
            )?;
            writeln!(out, "ttl      the shortest that such answers leave room for is {}", duration::shown(shortest))?;
            let fits = if found.fits { "fits" } else { "is too short: answers would come too late, and terms end" };
            writeln!(out, "         {} {fits}", duration::shown(ttl))
        })?,
    }
    Ok(if found.fits { ExitCode::SUCCESS } else { ExitCode::from(crate::exit::NO) })
}

/// With the proportions of the defaults: a request may take a fifth of the ttl.
fn shortest_ttl(slowest: Duration) -> Duration {
    let default = Config::default();
    let ttl = slowest.saturating_mul(SHARE).mul_f64(default.ttl.div_duration_f64(default.request_timeout));
    ttl.max(Duration::from_millis(500))
}

const fn judge(storage: &str) -> &'static str {
    match storage.as_bytes() {
        b"sqlite" => "the clock of this machine",
        b"etcd" | b"nats" | b"objects" => "each candidate's own clock, which sees them unchanged for their ttl",
        _ => "the clock of the storage",
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
