//! How to test what your own code does at a failover: in virtual time, without a server, in milliseconds.
//!
//! `cargo test --example testing_failover` runs the tests below, `cargo run --example testing_failover` shows one of
//! them. `Reports` stands for your code; it asks for any `Timer`, so that a test can move its time.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use lessor::{Builder, Candidate, ManualTimer, MemoryStorage, Term, Timer};

/// The code to be tested: a report a minute, while it leads.
#[derive(Clone)]
struct Reports<T> {
    timer: T,
    /// When each was written, and in which term. Yours is a database.
    written: Arc<Mutex<Vec<(Duration, Term)>>>,
}

impl<T: Timer> Reports<T> {
    async fn run(self, candidate: Candidate<T>) {
        while let Ok(leadership) = candidate.elected().await {
            let minutely = async {
                loop {
                    let report = (self.timer.now().since_origin(), leadership.term());
                    self.written.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                    self.timer.sleep(Duration::from_secs(60)).await;
                }
            };
            let _: Result<(), _> = leadership.run(minutely).await;
        }
    }
}

/// One copy of the program. To drop `crash` is to pull its plug: nothing is released, nobody is told.
struct Copy {
    candidate: Candidate<ManualTimer>,
    crash: oneshot::Sender<()>,
}

impl Copy {
    fn start(
        id: &str,
        storage: &MemoryStorage<ManualTimer>,
        reports: &Reports<ManualTimer>,
    ) -> Result<Self, Box<dyn Error>> {
        let timer = &reports.timer;
        let (candidate, driver) = Builder::new("reports").id(id).build_on(storage.clone(), timer.clone())?;
        let (crash, crashed) = oneshot::channel();
        let program = futures::future::join(driver.run(), reports.clone().run(candidate.clone()));
        timer.spawn(async { if let Either::Left(_) = select(crashed, Box::pin(program)).await {} });
        Ok(Self { candidate, crash })
    }
}

/// Two copies; then something happens to the leader, at the worst time: just before a report is due. Answers all reports
/// of two hours.
fn two_hours(happens: impl AsyncFnOnce(Copy)) -> Result<Vec<(Duration, Term)>, Box<dyn Error>> {
    let timer = ManualTimer::new();
    let storage = MemoryStorage::with_timer(timer.clone());
    let reports = Reports { timer: timer.clone(), written: Arc::default() };
    let first = Copy::start("first", &storage, &reports)?;
    timer.block_on(first.candidate.elected()).ok_or("nobody is elected")??;
    let _second = Copy::start("second", &storage, &reports)?;
    let hour = Duration::from_secs(3600);
    let shortly_before = Duration::from_secs(1);
    timer.block_on(timer.sleep(hour - shortly_before));
    timer.block_on(happens(first));
    timer.block_on(timer.sleep(hour + shortly_before));
    let written = reports.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(written)
}

/// For how long there was no report when the term changed.
fn gap(reports: &[(Duration, Term)]) -> Option<Duration> {
    reports.windows(2).find_map(|pair| match pair {
        [before, after] if before.1 != after.1 => Some(after.0 - before.0),
        _ => None,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let reports = two_hours(async |leader| drop(leader.crash))?;
    let gap = gap(&reports).ok_or("there was no failover")?;
    println!(
        "{} reports in two hours, once {:.1} s apart: a crash before one was due",
        reports.len(),
        gap.as_secs_f64()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ttl is 10 s, and the second looks when the lease ends.
    #[test]
    fn a_crash_delays_reports_by_the_ttl_at_most() {
        let reports = two_hours(async |leader| drop(leader.crash)).unwrap();
        assert!(gap(&reports).unwrap() <= Duration::from_secs(60 + 11), "{:?}", gap(&reports));
        assert!((120..=122).contains(&reports.len()), "{}", reports.len());
    }

    #[test]
    fn a_hand_over_delays_nothing() {
        let reports = two_hours(async |leader| leader.candidate.shutdown().await.unwrap()).unwrap();
        assert!(gap(&reports).unwrap() <= Duration::from_secs(60), "{:?}", gap(&reports));
    }

    #[test]
    fn terms_never_fall() {
        let reports = two_hours(async |leader| drop(leader.crash)).unwrap();
        assert!(reports.is_sorted_by_key(|(_, term)| *term), "{reports:?}");
        assert_eq!(reports.last().unwrap().1.get(), 2);
    }
}
