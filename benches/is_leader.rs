//! `Candidate::is_leader` beside what it cannot do without: one reading of the same clock and one atomic load.
//!
//! `cargo bench --bench is_leader`. Rounds alternate, so that whatever else the machine does meets both; the ratio is that of the medians.

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lessor::{Builder, MemoryStorage, SystemTimer, Timer};

const ROUNDS: usize = 101;
const CALLS: u32 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let timer = SystemTimer::new();
    let (candidate, mut driver) = Builder::new("k").ttl(Duration::from_secs(3600)).build(MemoryStorage::new())?;
    smol::block_on(driver.step());
    if !candidate.is_leader() {
        return Err("the candidate does not lead".into());
    }
    let deadline = AtomicU64::new(1);
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rounds[0].push(time(&timer, || {
            black_box(black_box(&deadline).load(Ordering::Acquire));
            black_box(timer.now());
        }));
        rounds[1].push(time(&timer, || {
            black_box(black_box(&candidate).is_leader());
        }));
        rounds[2].push(time(&timer, || {
            black_box(black_box(&deadline).load(Ordering::Acquire) != 0);
        }));
    }
    let [bare, is_leader, flag] = rounds.map(|mut times| {
        times.sort_unstable();
        times.get(ROUNDS / 2).copied().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(CALLS)
    });
    println!("clock read + atomic load  {bare:6.2} ns");
    println!("is_leader()               {is_leader:6.2} ns   ratio {:.2}", is_leader / bare);
    println!("atomic load alone         {flag:6.2} ns   (a flag that nothing resets at the deadline)");
    Ok(())
}

fn time(timer: &SystemTimer, call: impl Fn()) -> Duration {
    let before = timer.now();
    for _ in 0..CALLS {
        call();
    }
    timer.now().saturating_duration_since(before)
}
