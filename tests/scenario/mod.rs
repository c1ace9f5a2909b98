//! What every executor runs, in real time, on the shipped timers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{Either, join, join_all, pending, ready, select};
use futures::{FutureExt, StreamExt, pin_mut};
use lessor::storage::{MaybeSend, MaybeSendSync};
use lessor::{Builder, Event, MemoryStorage, SystemTimer, Timer};

/// What an executor spawns.
#[cfg(not(target_family = "wasm"))]
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// What an executor spawns.
#[cfg(target_family = "wasm")]
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

fn task(future: impl Future<Output = ()> + MaybeSend + 'static) -> Task {
    Box::pin(future)
}

/// Three candidates: elect, work, hand over by resigning, by stopping, by dropping the driver; then nobody leads.
///
/// No executor is asked for anything but polling this one future.
pub(crate) async fn scenario<T: Timer<Sleep: MaybeSend> + MaybeSendSync + Clone + 'static>(timer: T) {
    let storage = MemoryStorage::new();
    let mut drawn = 0_u64;
    let mut build = |id: &str| {
        drawn += 1000;
        let mut next = drawn;
        let entropy = move || {
            next += 1;
            next.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let builder = Builder::new("k").id(id).ttl(Duration::from_secs(5)).cool_off(Duration::from_secs(60));
        builder.build_with(storage.clone(), timer.clone(), entropy).unwrap()
    };
    let ((a, a_driver), (b, b_driver), (c, c_driver)) = (build("a"), build("b"), build("c"));
    let (cut, cut_off) = futures::channel::oneshot::channel::<()>();
    let worked = AtomicUsize::new(0);

    let user = async {
        // One after the other, so that it is known who leads first.
        let first = a.elected().await.unwrap();
        let work = first.run(async {
            worked.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await
        });
        let hand_over = async {
            let mut renewals = a.events().filter(|event| ready(matches!(event, Event::Renewed { .. })));
            renewals.next().await.unwrap();
            assert!(a.is_leader() && first.is_valid());
            a.resign().await.unwrap();
        };
        let (work, ()) = join(work, hand_over).await;
        assert!(work.is_err() && !first.is_valid());

        let (second, leader) = match select(Box::pin(b.elected()), Box::pin(c.elected())).await {
            Either::Left((leadership, _)) => (leadership.unwrap(), &b),
            Either::Right((leadership, _)) => (leadership.unwrap(), &c),
        };
        assert!(second.term() > first.term());
        assert_eq!(second.run(async { worked.fetch_add(1, Ordering::SeqCst) }).await, Ok(1));
        let events = leader.events();
        leader.shutdown().await.unwrap();
        let last = events.collect::<Vec<_>>().await.pop();
        assert_eq!(last, Some(Event::Stopped));

        let other = if std::ptr::eq(leader, &b) { &c } else { &b };
        let third = other.elected().await.unwrap();
        assert!(third.term() > second.term());
        cut.send(()).unwrap();
        third.lost().await;
        assert!(!other.is_leader() && !a.is_leader());
        a.shutdown().await.unwrap();
    };
    let dropped = async {
        let drivers = join(b_driver.run(), c_driver.run());
        pin_mut!(drivers);
        select(drivers, cut_off).await;
    };
    let all = join_all([user.boxed_local(), a_driver.run().boxed_local(), dropped.boxed_local()]);
    let limit = SystemTimer::new().sleep(Duration::from_secs(60));
    match select(all, limit).await {
        Either::Left(_) => {}
        Either::Right(_) => panic!("not over after a minute"),
    }
}

/// The same through spawned tasks: the futures are `'static`, and natively `Send`.
pub(crate) async fn spawned<J: Future>(spawn: impl Fn(Task) -> J) {
    let storage = MemoryStorage::new();
    let mut tasks = Vec::new();
    let elected = Arc::new(AtomicUsize::new(0));
    for number in 0..10 {
        let (candidate, driver) = Builder::new("k").id(format!("n{number}")).build(storage.clone()).unwrap();
        tasks.push(spawn(task(driver.run())));
        let elected = elected.clone();
        tasks.push(spawn(task(async move {
            let leadership = candidate.elected().await.unwrap();
            assert_eq!(elected.fetch_add(1, Ordering::SeqCst) as u64 + 1, leadership.term().get());
            assert_eq!(leadership.run(async { 6 * 7 }).await, Ok(42));
            candidate.shutdown().await.unwrap();
        })));
    }
    join_all(tasks).await;
    assert_eq!(elected.load(Ordering::SeqCst), 10, "each led once, one after the other");
}
