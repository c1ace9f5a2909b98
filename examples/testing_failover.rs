//! How to test what your own service does at a failover: in virtual time, without a server, in milliseconds.
//!
//! `cargo test --example testing_failover` runs the tests below, `cargo run --example testing_failover` the service.
//!
//! `Service` stands for yours. It has fields for its candidate and its leadership, and no type parameter for a timer:
//! in production it is built on the system's clock, in a test on a clock that the test moves.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lessor::{Builder, Candidate, Fence, Leadership, MemoryStorage, Term};

/// Hands out invoice numbers, each once, whichever copy is asked: the one that leads answers, the others refuse.
struct Service {
    candidate: Candidate,
    /// The reign that `next` belongs to.
    leadership: Option<Leadership>,
    /// Kept in memory, so that a number costs one write and no read: right for as long as nobody else leads.
    next: u64,
    database: Database,
}

impl Service {
    fn new(candidate: Candidate, database: Database) -> Self {
        Self { candidate, leadership: None, next: 0, database }
    }

    /// The next number, and the term in which it was given out.
    fn number(&mut self) -> Result<(u64, Term), Box<dyn Error>> {
        if self.leadership.as_ref().is_none_or(Leadership::is_ending) {
            // Of another reign, or of none: what was counted then is worth nothing now.
            self.leadership = self.candidate.leadership();
            self.next = self.database.newest() + 1;
        }
        let leadership = self.leadership.as_ref().ok_or("this copy does not lead")?;
        // A write takes less than this.
        let term = leadership.check(Duration::from_millis(100))?;
        self.database.write(term, self.next)?;
        self.next += 1;
        Ok((self.next - 1, term))
    }
}

/// Yours is a real one. It takes writes from the newest term alone.
#[derive(Clone, Default)]
struct Database(Arc<(Fence, Mutex<Vec<u64>>)>);

impl Database {
    fn newest(&self) -> u64 {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner).last().copied().unwrap_or_default()
    }

    fn write(&self, term: Term, number: u64) -> Result<(), Box<dyn Error>> {
        let mut written = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.0.admit(term)?;
        written.push(number);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let (candidate, driver) = Builder::new("invoices").build(MemoryStorage::new())?;
        let driver = smol::spawn(driver.run());
        let mut service = Service::new(candidate.clone(), Database::default());
        candidate.elected().await?;
        for _ in 0..3 {
            let (number, term) = service.number()?;
            println!("invoice {number}, in term {term}");
        }
        candidate.shutdown().await?;
        driver.await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{AbortHandle, abortable};
    use lessor::{Config, ManualTimer, Timer};

    const TTL: Duration = Duration::from_secs(10);

    /// One copy of the program, and how to pull its plug.
    fn start(id: &str, (timer, storage, database): &(ManualTimer, MemoryStorage, Database)) -> (Service, AbortHandle) {
        let builder = Builder::new("invoices").id(id).ttl(TTL);
        let (candidate, driver) = builder.build_on(storage.clone(), timer.clone()).unwrap();
        let (running, plug) = abortable(driver.run());
        timer.spawn(async { _ = running.await });
        (Service::new(candidate, database.clone()), plug)
    }

    fn world() -> (ManualTimer, MemoryStorage, Database) {
        let timer = ManualTimer::new();
        (timer.clone(), MemoryStorage::with_timer(timer), Database::default())
    }

    #[test]
    fn after_a_crash_the_other_goes_on_when_the_lease_is_over() {
        let world = world();
        let timer = &world.0;
        let (mut first, plug) = start("first", &world);
        timer.block_on(first.candidate.elected()).unwrap().unwrap();
        let (mut second, _) = start("second", &world);
        assert_eq!(first.number().unwrap().0, 1);
        assert!(second.number().is_err(), "it does not lead");

        plug.abort(); // Nothing is released, nobody is told.
        let crash = timer.now();
        timer.block_on(second.candidate.elected()).unwrap().unwrap();
        let gap = timer.now().saturating_duration_since(crash);
        // As the library promises: the lease runs out, and a follower asks again.
        assert!(gap <= TTL + Config::with_ttl(TTL).retry_interval, "{gap:?}");
        assert_eq!(second.number().unwrap().0, 2, "it goes on where the first has ended");
        assert!(first.number().is_err(), "it leads no more");
    }

    #[test]
    fn a_hand_over_takes_no_time() {
        let world = world();
        let timer = &world.0;
        let (mut first, _) = start("first", &world);
        timer.block_on(first.candidate.elected()).unwrap().unwrap();
        let (mut second, _) = start("second", &world);
        // Long enough for the second to have asked, and been refused.
        timer.block_on(timer.sleep(Duration::from_secs(60))).unwrap();
        first.number().unwrap();

        let before = timer.now();
        timer.block_on(first.candidate.shutdown()).unwrap().unwrap();
        timer.block_on(second.candidate.elected()).unwrap().unwrap();
        assert_eq!(timer.now(), before);
        assert_eq!(second.number().unwrap().0, 2);
    }

    /// What a copy counted in an earlier reign of its own is out of date when it leads again.
    #[test]
    fn who_leads_again_asks_the_database_again() {
        let world = world();
        let timer = &world.0;
        let (mut first, _) = start("first", &world);
        timer.block_on(first.candidate.elected()).unwrap().unwrap();
        let (mut second, _) = start("second", &world);
        let mut numbers = Vec::new();
        for _ in 0..3 {
            for service in [&mut first, &mut second] {
                timer.block_on(service.candidate.elected()).unwrap().unwrap();
                numbers.push(service.number().unwrap());
                timer.block_on(service.candidate.resign()).unwrap().unwrap();
            }
        }
        assert_eq!(numbers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert!(numbers.is_sorted_by(|(_, before), (_, after)| before < after), "each reign has its own term");
    }
}
