//! `Candidate::is_leader` beside what it cannot do without: one reading of the same clock and one atomic load.
//!
//! `cargo bench --bench is_leader`. It is measured twice: with the timer's type in the candidate's, and with any timer
//! behind a pointer, as candidates have it unless asked otherwise.
//!
//! All take turns in each round, and each begins some of the rounds, so that whatever else the machine does meets all
//! of them. A ratio is the median of the ratios within the rounds.

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lessor::{Builder, Candidate, Driver, MemoryStorage, SystemTimer, Timer};

const ROUNDS: usize = 4001;
/// Few, so that most rounds are not interrupted.
const CALLS: u32 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let timer = SystemTimer::new();
    let builder = |key: &str| Builder::new(key).ttl(Duration::from_secs(3600));
    let any = leader(builder("any").build(MemoryStorage::new())?)?;
    let mut drawn = 0;
    let entropy = move || {
        drawn += 1;
        drawn
    };
    let plain = leader(builder("plain").build_local(MemoryStorage::new(), timer, entropy)?)?;
    let deadline = AtomicU64::new(1);

    let bare = || {
        black_box(black_box(&deadline).load(Ordering::Acquire));
        black_box(timer.now());
    };
    let flag = || {
        black_box(black_box(&deadline).load(Ordering::Acquire) != 0);
    };
    let plain_leads = || {
        black_box(black_box(&plain).is_leader());
    };
    let any_leads = || {
        black_box(black_box(&any).is_leader());
    };
    let measured: [&dyn Fn() -> Duration; 4] =
        [&|| time(&timer, bare), &|| time(&timer, plain_leads), &|| time(&timer, any_leads), &|| time(&timer, flag)];
    let mut times = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        for turn in 0..measured.len() {
            let which = (round + turn) % measured.len();
            times[which].push(measured[which]().as_secs_f64() * 1e9 / f64::from(CALLS));
        }
    }

    let [bare, plain, any, flag] = times;
    println!("clock read + atomic load     {:6.2} ns", median(&bare));
    println!("is_leader(), its own timer   {:6.2} ns   ratio {:.2}", median(&plain), ratio(&plain, &bare));
    println!("is_leader(), any timer       {:6.2} ns   ratio {:.2}", median(&any), ratio(&any, &bare));
    println!("atomic load alone            {:6.2} ns   (a flag that nothing resets at the deadline)", median(&flag));
    println!("any timer / its own timer    {:.3}       (at most 1.1)", ratio(&any, &plain));
    Ok(())
}

/// The candidate, which leads from here on.
fn leader<T: Timer>(
    (candidate, mut driver): (Candidate<T>, Driver<MemoryStorage, T>),
) -> Result<Candidate<T>, &'static str> {
    smol::block_on(driver.step());
    if !candidate.is_leader() {
        return Err("the candidate does not lead");
    }
    // Dropped, it would lead no more.
    std::mem::forget(driver);
    Ok(candidate)
}

fn time(timer: &SystemTimer, call: impl Fn()) -> Duration {
    let before = timer.now();
    for _ in 0..CALLS {
        call();
    }
    timer.now().saturating_duration_since(before)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn ratio(ones: &[f64], others: &[f64]) -> f64 {
    let ratios: Vec<_> = ones.iter().zip(others).map(|(one, other)| one / other).collect();
    median(&ratios)
}
