use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::executor::block_on;
use lessor::{Candidate, Fence, SystemTimer, Timer};

use super::now;

/// A hand-over and back may not fit into this.
const GLANCE: Duration = Duration::from_millis(20);

/// So often at least, however soon a test is over.
const LOOKS: usize = 100;

/// Looks at all candidates all the time.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    thread: JoinHandle<Result<(), String>>,
}

impl Watch {
    /// The candidates of each key.
    pub(super) fn start(keys: Vec<Vec<Candidate>>) -> Self {
        let (over, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ends, looked) = (over.clone(), looks.clone());
        let thread = thread::spawn(move || {
            let fences: Vec<_> = keys.iter().map(|_| Fence::new()).collect();
            let timer = SystemTimer::new();
            while !ends.load(Ordering::SeqCst) {
                let began = now();
                for (candidates, fence) in keys.iter().zip(&fences) {
                    one_leads(candidates)?;
                    no_leader_is_fenced_off(candidates, fence)?;
                }
                looked.fetch_add(1, Ordering::SeqCst);
                // With many keys a look takes long: it leaves most of the time to those that it looks at.
                let took = now().saturating_duration_since(began);
                block_on(timer.sleep((took * 4).max(Duration::from_micros(500))));
            }
            Ok(())
        });
        Self { over, looks, thread }
    }

    /// Whether it has looked often enough, or has seen something that is wrong.
    pub(super) fn has_seen(&self) -> bool {
        self.looks.load(Ordering::SeqCst) >= LOOKS || self.thread.is_finished()
    }

    /// Says what was wrong.
    pub(super) fn finish(self) {
        self.over.store(true, Ordering::SeqCst);
        let seen = self.thread.join().expect("it does not panic");
        seen.unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

/// Two answers follow each other: only who answers the same before and after the other one led at the same time.
fn one_leads(candidates: &[Candidate]) -> Result<(), String> {
    let began = now();
    let leading: Vec<_> = candidates.iter().filter(|candidate| candidate.is_leader()).collect();
    let [first, second, ..] = leading.as_slice() else { return Ok(()) };
    let both = first.is_leader() && second.is_leader();
    let took = now().saturating_duration_since(began);
    if both && took < GLANCE {
        return Err(format!("two led at once:\n{:?}\n{:?}", first.status(), second.status()));
    }
    Ok(())
}

/// Each leader writes, all the time: what it writes is refused only when it has lost.
fn no_leader_is_fenced_off(candidates: &[Candidate], fence: &Fence) -> Result<(), String> {
    for leadership in candidates.iter().filter_map(Candidate::leadership) {
        if let Err(stale) = fence.admit(leadership.term())
            && leadership.is_valid()
        {
            return Err(format!("a leader's write was refused: {stale}"));
        }
    }
    Ok(())
}
