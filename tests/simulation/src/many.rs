//! Many seeds, on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::counts::Counts;
use crate::outcome::{Broken, Outcome};
use crate::plan::Plan;
use crate::run::run;

/// What came of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many.
    pub runs: u64,
    /// The seeds that broke a promise, with what they broke.
    pub broken: Vec<(u64, Broken)>,
    /// In how many runs two led at one time.
    pub runs_with_overlap: u64,
    /// What was counted.
    pub counts: Counts,
}

impl Summary {
    /// The first broken promise: that of the lowest seed.
    pub fn first_broken(&self) -> Option<&(u64, Broken)> {
        self.broken.iter().min_by_key(|(seed, _)| *seed)
    }

    /// One more run.
    pub fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.runs_with_overlap += u64::from(outcome.counts.overlaps > 0);
        self.counts.add(&outcome.counts);
        self.broken.extend(outcome.broken.map(|broken| (outcome.seed, broken)));
    }
}

/// Runs the plans of these seeds on so many threads. Ends at the first broken promise, all runs of lower seeds done.
///
/// `each` is given every outcome, in no particular order; `watch` is told how many are done, and which seeds are under
/// way, from time to time.
pub fn many(
    seeds: Range<u64>,
    threads: usize,
    plan: impl Fn(u64) -> Plan + Sync,
    mut each: impl FnMut(Outcome),
    mut watch: impl FnMut(u64, &[u64]),
) {
    let plan = &plan;
    let mut runs = 0;
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let under_way: Vec<_> = (0..threads).map(|_| AtomicU64::new(seeds.start)).collect();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for current in &under_way {
            let (sender, next, stop, end) = (sender.clone(), &next, &stop, seeds.end);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    current.store(seed, Ordering::Relaxed);
                    let outcome = run(plan(seed), false);
                    stop.fetch_or(outcome.broken.is_some(), Ordering::Relaxed);
                    if sender.send(outcome).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        loop {
            // A seed that takes so long hangs: it is named.
            let news = receiver.recv_timeout(Duration::from_secs(10));
            let hangs = news.is_err();
            match news {
                Ok(outcome) => {
                    runs += 1;
                    each(outcome);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if runs % 1000 == 0 || hangs {
                let seeds: Vec<_> = under_way.iter().map(|seed| seed.load(Ordering::Relaxed)).collect();
                watch(runs, &seeds);
            }
        }
    });
}
