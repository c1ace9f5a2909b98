//! Thousands that ask, are polled and give up in any order: nothing of them is left, and each costs about the same.

use core::pin::Pin;
use core::task::{Context, Waker};
use core::time::Duration;
use std::sync::Mutex;

use lessor::storage::{Claim, Session};
use lessor::{Id, Key, ManualTimer};

use super::queue::counted;
use super::*;

/// Takes 3 ms for a flight. Now and then one of the keys is locked, or the connection breaks.
struct Shaky(ManualTimer, Mutex<Dice>);

/// The same throws for the same seed.
struct Dice(u64);

impl Dice {
    /// Less than this.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

impl Server for Shaky {
    type Connection = ();
    const THREAD: &'static str = "shaky";

    async fn connect(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn send(&self, (): &mut (), flight: &Flight) -> Result<Vec<Answer>, Broken> {
        self.0.sleep(Duration::from_millis(3)).await;
        let mut dice = self.1.lock().unwrap();
        if dice.roll(20) == 0 {
            return Err(Broken(StorageError::transient("connection reset by peer")));
        }
        let mut answer = || if dice.roll(100) == 0 { Answer::Locked } else { Answer::done(Ok(Reply::Got(None))) };
        Ok(flight.requests.iter().map(|_| answer()).collect())
    }
}

fn claim(number: usize) -> Request {
    let key = Key::new(number.to_string()).unwrap();
    Claim::new(key, Id::new("a").unwrap(), Session::from_bits(1), Duration::from_secs(10)).into()
}

/// Returns how many looks at an id it took, and how many askers were there at once.
fn storm(askers: usize) -> (u64, usize) {
    let timer = ManualTimer::new();
    let server = Shaky(timer.clone(), Mutex::new(Dice(7)));
    let (lane, drive) = Lane::driven(server, 2, AnyTimer::new(timer.clone()), || u32::MAX);
    timer.spawn(drive);
    let (mut dice, mut cx) = (Dice(1), Context::from_waker(Waker::noop()));
    let (mut asking, mut asked, mut heard, mut most) = (Vec::new(), 0, 0, 0);
    let before = counted::looks();
    while asked < askers || !asking.is_empty() {
        match dice.roll(8) {
            // Some keys are asked for more than once.
            0..5 if asked < askers => {
                asked += 1;
                asking.push(Box::pin(lane.ask(claim(dice.roll(askers)))));
                most = most.max(asking.len());
            }
            0..=5 if !asking.is_empty() => drop(asking.swap_remove(dice.roll(asking.len()))),
            6 if !asking.is_empty() => {
                let place = dice.roll(asking.len());
                if Pin::new(&mut asking[place]).poll(&mut cx).is_ready() {
                    heard += 1;
                    drop(asking.swap_remove(place));
                }
            }
            _ if dice.roll(askers / 500) == 0 => {
                timer.block_on(timer.sleep(Duration::from_millis(1))).unwrap();
            }
            _ => {}
        }
    }
    timer.block_on(timer.sleep(Duration::from_secs(10))).unwrap();
    let state = lane.hub.lock();
    assert!(state.is_empty(), "{state:?}");
    assert!(state.traffic.requests > 0 && heard > 0 && state.traffic.repeated > 0, "{:?}", state.traffic);
    (counted::looks() - before, most)
}

#[test]
fn whoever_gives_up_leaves_nothing_behind() {
    let (looks_of_few, few) = storm(5_000);
    let (looks_of_many, many) = storm(20_000);
    assert!(few > 5_000 / 4 && many > 20_000 / 4, "{few}, {many} at once");
    // Four times as many, and two more comparisons in each search. Squared it would be sixteen times.
    assert!(looks_of_many < 6 * looks_of_few, "{looks_of_few}, {looks_of_many}");
}
