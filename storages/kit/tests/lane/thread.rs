//! The thread of a lane: progress without anybody being polled, an end with the last handle, and panics.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Waker};
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Reply, Request};
use lessor::time::AnyTimer;
use lessor::{Key, ManualTimer, StorageError, Timer};
use lessor_kit::lane::{Answer, Broken, Flight, Lane, Server};

use crate::get;

/// Answers at once; panics about one key every other time, and never answers about another.
struct Prompt(Sender<String>, AtomicBool);

impl Server for Prompt {
    type Connection = ();
    const THREAD: &'static str = "prompt";

    async fn connect(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn send(&self, (): &mut (), flight: &Flight) -> Result<Vec<Answer>, Broken> {
        let name = |request: &Request| request.key().map(Key::to_string).unwrap_or_default();
        for request in &flight.requests {
            let _ = self.0.send(format!("{} on {:?}", name(request), std::thread::current().name()));
        }
        let panics = flight.requests.iter().any(|request| name(request) == "panic");
        assert!(!panics || self.1.fetch_xor(true, Ordering::Relaxed), "as the test wants it");
        if flight.requests.iter().any(|request| name(request) == "hangs") {
            pending::<()>().await;
        }
        Ok(flight.requests.iter().map(|_| Answer::done(Ok(Reply::Got(None)))).collect())
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        let _ = self.0.send("gone".into());
    }
}

#[test]
fn a_future_that_is_kept_and_not_polled() {
    let (told, tells) = channel();
    let lane = Lane::new(Prompt(told, AtomicBool::new(false)), 1);
    let mut kept: Vec<_> = (0..3).map(|number| Box::pin(lane.ask(get(&number.to_string()).into()))).collect();
    for future in &mut kept {
        let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    assert_eq!(block_on(lane.ask(get("k").into())), Ok(Reply::Got(None)));
    drop((kept, lane));
    let told: Vec<_> = tells.iter().collect();
    assert!(told.contains(&r#"k on Some("prompt")"#.to_string()), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("gone"), "the thread ends with the lane");
}

#[test]
fn a_panic_answers_all_and_ends_nothing() {
    let (told, _tells) = channel();
    let lane = Lane::new(Prompt(told, AtomicBool::new(false)), 2);
    for _ in 0..20 {
        let hangs = lane.ask(get("hangs").into());
        let error = block_on(lane.ask(get("panic").into())).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        assert!(block_on(hangs).is_err());
        // Neither the next request nor one for a key that was in flight finds anything left of it.
        while block_on(lane.ask(get("k").into())).is_err() {}
        assert_eq!(block_on(lane.ask(get("panic").into())), Ok(Reply::Got(None)));
    }
}

#[test]
fn the_end_of_the_lane_answers_all() {
    let (told, _tells) = channel();
    let lane = Lane::new(Prompt(told, AtomicBool::new(false)), 1);
    let waits = lane.ask(get("hangs").patience(Duration::from_secs(3600)).into());
    drop(lane);
    assert!(block_on(waits).is_err());
}

/// Who drives a lane without a thread may stop: nobody is left waiting, nor after the lane has gone.
#[test]
fn the_end_of_a_driven_lane_answers_all() {
    let lane = |timer: &ManualTimer| {
        let (told, _) = channel();
        Lane::driven(Prompt(told, AtomicBool::new(false)), 1, AnyTimer::new(timer.clone()), || u32::MAX)
    };
    let timer = ManualTimer::new();
    let (gone, drive) = lane(&timer);
    let waits = gone.ask(get("hangs").patience(Duration::from_secs(3600)).into());
    timer.spawn(drive);
    timer.block_on(timer.sleep(Duration::from_secs(1))).unwrap();
    drop(gone);
    let error = timer.block_on(waits).unwrap().unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");

    let (kept, drive) = lane(&timer);
    let waits = kept.ask(get("k").into());
    drop(drive);
    assert!(timer.block_on(waits).unwrap().is_err());
}
