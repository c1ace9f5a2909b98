//! No runtime at all: a `Timer` made of one thread and the standard library, driven by a plain `block_on`.
//!
//! `cargo run --example custom_timer`

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use futures::join;
use lessor::{Builder, Instant, MemoryStorage, SystemTimer, Timer};

fn main() -> Result<(), Box<dyn Error>> {
    let alarms = Alarms::start()?;
    let election = Builder::new("nightly-report").ttl(Duration::from_secs(5));
    let (candidate, driver) =
        election.id("node-a").build_on(MemoryStorage::with_timer(alarms.clone()), alarms.clone())?;

    let work = async {
        let leadership = candidate.elected().await?;
        println!("node-a leads in term {}", leadership.term());
        // Longer than the ttl: the driver renews meanwhile.
        leadership.run(alarms.sleep(Duration::from_secs(6))).await?;
        println!("still in term {} after 6 s, with a ttl of 5 s", leadership.term());
        candidate.shutdown().await?;
        Ok(())
    };
    let ((), outcome) = block_on(async { join!(driver.run(), work) });
    outcome
}

/// Wakes sleepers in the order in which they are due.
#[derive(Clone, Default)]
struct Alarms(Arc<Shared>);

#[derive(Default)]
struct Shared {
    asleep: Mutex<Asleep>,
    changed: Condvar,
}

#[derive(Default)]
struct Asleep {
    /// By when they are due, and a number, since two may be due at once.
    wakers: BTreeMap<(Instant, u64), Waker>,
    sleeps: u64,
}

impl Alarms {
    fn start() -> std::io::Result<Self> {
        let alarms = Self::default();
        let shared = alarms.0.clone();
        thread::Builder::new().name("alarms".into()).spawn(move || shared.ring())?;
        Ok(alarms)
    }
}

/// The machine's clock, which counts the time that it sleeps. The standard library's does not on every platform.
fn now() -> Instant {
    SystemTimer::new().now()
}

impl Timer for Alarms {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut asleep = self.0.lock();
        asleep.sleeps += 1;
        Sleep { due: (now().saturating_add(duration), asleep.sleeps), shared: self.0.clone() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Asleep> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let mut asleep = self.lock();
        loop {
            let next = asleep.wakers.first_entry();
            asleep = match next.map(|entry| (entry.key().0.saturating_duration_since(now()), entry)) {
                None => self.changed.wait(asleep).unwrap_or_else(PoisonError::into_inner),
                Some((Duration::ZERO, entry)) => {
                    let waker = entry.remove();
                    // A waker may do anything, such as going to sleep again: not under the lock.
                    drop(asleep);
                    waker.wake();
                    self.lock()
                }
                Some((pause, _)) => self.changed.wait_timeout(asleep, pause).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

struct Sleep {
    due: (Instant, u64),
    shared: Arc<Shared>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if now() >= self.due.0 {
            return Poll::Ready(());
        }
        self.shared.lock().wakers.insert(self.due, cx.waker().clone());
        self.shared.changed.notify_one();
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.shared.lock().wakers.remove(&self.due);
    }
}
