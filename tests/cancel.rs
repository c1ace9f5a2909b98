//! Every await point of driver and handles, dropped once: whatever is dropped wherever, nothing untrue is believed
//! and everything goes on.

mod faulty;

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use faulty::{Fault, Faulty, entropy};
use futures::StreamExt;
use futures::future::join;
use lessor::{Builder, Candidate, Driver, Instant, ManualTimer, Timer, Value};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Polls a future so many times, then drops it. `None`: it was dropped.
struct DropAfter<F>(Option<Pin<Box<F>>>, usize);

fn drop_after<F: Future>(polls: usize, future: F) -> DropAfter<F> {
    DropAfter(Some(Box::pin(future)), polls)
}

impl<F: Future> Future for DropAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.1 == 0 {
            self.0 = None;
            return Poll::Ready(None);
        }
        self.1 -= 1;
        let Some(future) = &mut self.0 else { return Poll::Ready(None) };
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The last poll is followed by the drop, without waiting to be woken.
            Poll::Pending if self.1 == 0 => {
                self.0 = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

struct Fixture {
    timer: ManualTimer,
    storage: Faulty,
}

type Mine = (Candidate, Driver<Faulty>);

impl Fixture {
    fn new() -> Self {
        let timer = ManualTimer::new();
        let storage = Faulty::new(&timer);
        storage.set(Fault::Slow);
        Self { timer, storage }
    }

    fn candidate(&self, id: &str) -> Mine {
        let seed = id.bytes().map(u64::from).sum();
        Builder::new("k").id(id).build_with(self.storage.clone(), self.timer.clone(), entropy(seed)).unwrap()
    }

    fn spawned(&self, id: &str) -> Candidate {
        let (candidate, driver) = self.candidate(id);
        self.timer.spawn(driver.run());
        candidate
    }

    /// Runs what is spawned for a while, and finds that two never lead together.
    fn watch(&self, candidates: &[&Candidate], duration: Duration) {
        let end = self.timer.now().saturating_add(duration);
        while self.timer.now() < end {
            assert!(candidates.iter().filter(|candidate| candidate.is_leader()).count() <= 1);
            self.timer.block_on(self.timer.sleep(Duration::from_millis(7))).unwrap();
        }
    }
}

/// Runs a case with every number of polls, until it ends by itself.
fn at_every_await_point(case: impl Fn(usize) -> bool) {
    let points = (0..).find(|polls| !case(*polls)).unwrap();
    assert!(points > 1, "it never waited");
}

/// What a candidate does in a busy life.
async fn life(candidate: Candidate, timer: ManualTimer) {
    while let Ok(leadership) = candidate.elected().await {
        let value = Value::new(leadership.term().to_string()).unwrap();
        if candidate.set_value(Some(value)).await.is_err() {
            return;
        }
        let guard = leadership.guard();
        let _ = leadership.run(timer.sleep(secs(3))).await;
        let (_, resigned) = join(
            async {
                timer.sleep(Duration::from_millis(300)).await;
                drop(guard);
            },
            candidate.resign(),
        )
        .await;
        if resigned.is_err() {
            return;
        }
    }
}

/// A driver dropped at any point: nobody believes any more, and the other candidate leads in due time.
#[test]
fn a_driver_may_be_dropped_anywhere() {
    at_every_await_point(|polls| {
        let fixture = Fixture::new();
        let (a, driver) = fixture.candidate("a");
        fixture.timer.spawn(life(a.clone(), fixture.timer.clone()));
        let stop = fixture.timer.sleep(secs(12));
        let ended = fixture.timer.block_on(drop_after(polls, driver.run_until(stop))).unwrap();
        assert!(!a.is_leader() && !a.status().driver_alive);
        let b = fixture.spawned("b");
        fixture.watch(&[&a, &b], secs(11));
        assert!(b.is_leader(), "after {polls} polls");
        ended.is_none()
    });
}

/// A step dropped at any point: the next one goes on, the candidate leads and hands over as if nothing had been.
#[test]
fn a_step_may_be_dropped_anywhere() {
    at_every_await_point(|polls| {
        let fixture = Fixture::new();
        let (a, mut driver) = fixture.candidate("a");
        let whole = fixture.timer.block_on(drop_after(polls, driver.step())).unwrap().is_some();
        fixture.timer.block_on(async {
            while !a.is_leader() {
                let step = driver.step().await;
                fixture.timer.sleep(step.wake_in.unwrap().min(secs(1))).await;
            }
        });
        assert_eq!(a.leadership().unwrap().term().get(), 1, "after {polls} polls");
        !whole
    });
}

/// Every future of the handles, dropped at any point.
#[test]
fn futures_of_handles_may_be_dropped_anywhere() {
    type Case = fn(&Fixture, Candidate, usize) -> bool;
    let cases: [(&str, Case); 9] = [
        ("elected", |f, a, n| f.timer.block_on(drop_after(n, a.elected())).unwrap().is_none()),
        ("leader_changed", |f, mut a, n| f.timer.block_on(drop_after(n, a.leader_changed())).unwrap().is_none()),
        ("set_value", |f, a, n| {
            f.timer.block_on(a.elected()).unwrap().unwrap();
            f.timer.block_on(drop_after(n, a.set_value(None))).unwrap().is_none()
        }),
        ("resign", |f, a, n| {
            f.timer.block_on(a.elected()).unwrap().unwrap();
            f.timer.block_on(drop_after(n, a.resign())).unwrap().is_none()
        }),
        ("shutdown", |f, a, n| {
            f.timer.block_on(a.elected()).unwrap().unwrap();
            f.timer.block_on(drop_after(n, a.shutdown())).unwrap().is_none()
        }),
        ("run", |f, a, n| {
            let leadership = f.timer.block_on(a.elected()).unwrap().unwrap();
            f.timer.block_on(drop_after(n, leadership.run(f.timer.sleep(secs(5))))).unwrap().is_none()
        }),
        ("ending", |f, a, n| {
            let leadership = f.timer.block_on(a.elected()).unwrap().unwrap();
            f.timer.spawn({
                let (a, timer) = (a.clone(), f.timer.clone());
                async move {
                    timer.sleep(secs(5)).await;
                    a.resign().await.unwrap();
                }
            });
            f.timer.block_on(drop_after(n, leadership.ending())).unwrap().is_none()
        }),
        ("lost", |f, a, n| {
            let leadership = f.timer.block_on(a.elected()).unwrap().unwrap();
            f.storage.set(Fault::Hang);
            let dropped = f.timer.block_on(drop_after(n, leadership.lost())).unwrap().is_none();
            f.storage.set(Fault::Slow);
            dropped
        }),
        ("events", |f, a, n| {
            let mut events = pin!(a.events());
            f.timer.block_on(events.next()).unwrap();
            f.timer.block_on(drop_after(n, events.next())).unwrap().is_none()
        }),
    ];
    for (name, case) in cases {
        at_every_await_point(|polls| {
            let fixture = Fixture::new();
            let a = fixture.spawned("a");
            let dropped = case(&fixture, a.clone(), polls);
            let b = fixture.spawned("b");
            fixture.watch(&[&a, &b], secs(30));
            assert!(a.is_leader() != b.is_leader(), "{name} after {polls} polls: exactly one leads");
            let (a_stops, b_stops) = fixture.timer.block_on(join(a.shutdown(), b.shutdown())).unwrap();
            assert_eq!((a_stops, b_stops), (Ok(()), Ok(())), "{name} after {polls} polls");
            assert!(fixture.timer.now() < Instant::from_origin(secs(80)));
            dropped
        });
    }
}
