//! One and the same scenario under every executor, in real time, on the shipped timers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures::executor::{LocalPool, block_on};
use futures::future::{Either, join, join_all, pending, ready, select};
use futures::task::LocalSpawnExt;
use futures::{FutureExt, StreamExt, pin_mut};
use lessor::{Builder, Event, MemoryStorage, SystemTimer, Timer, TokioTimer};

/// Three candidates: elect, work, hand over by resigning, by stopping, by dropping the driver; then nobody leads.
///
/// No executor is asked for anything but polling this one future.
async fn scenario<T: Timer + Clone>(timer: T) {
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

/// The same through spawned tasks: the futures are `Send`, and `'static`.
async fn spawned<J: Future>(spawn: impl Fn(futures::future::BoxFuture<'static, ()>) -> J) {
    let storage = MemoryStorage::new();
    let mut tasks = Vec::new();
    let elected = Arc::new(AtomicUsize::new(0));
    for number in 0..10 {
        let (candidate, driver) = Builder::new("k").id(format!("n{number}")).build(storage.clone()).unwrap();
        tasks.push(spawn(driver.run().boxed()));
        let elected = elected.clone();
        tasks.push(spawn(
            async move {
                let leadership = candidate.elected().await.unwrap();
                assert_eq!(elected.fetch_add(1, Ordering::SeqCst) as u64 + 1, leadership.term().get());
                assert_eq!(leadership.run(async { 6 * 7 }).await, Ok(42));
                candidate.shutdown().await.unwrap();
            }
            .boxed(),
        ));
    }
    join_all(tasks).await;
    assert_eq!(elected.load(Ordering::SeqCst), 10, "each led once, one after the other");
}

#[test]
fn smol() {
    smol::block_on(scenario(SystemTimer::new()));
    let executor = Arc::new(smol::Executor::new());
    let spawner = executor.clone();
    smol::block_on(executor.run(spawned(move |task| spawner.spawn(task))));
}

#[test]
fn async_std() {
    async_std::task::block_on(scenario(SystemTimer::new()));
    async_std::task::block_on(spawned(async_std::task::spawn));
}

#[test]
fn tokio_current_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(scenario(SystemTimer::new()));
    runtime.block_on(spawned(tokio::spawn));
}

#[test]
fn tokio_multi_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(scenario(SystemTimer::new()));
    runtime.block_on(spawned(tokio::spawn));
}

/// Tokio's own timer follows its paused time: a minute passes in a moment.
#[tokio::test(start_paused = true)]
async fn tokio_paused_time() {
    let timer = TokioTimer::new();
    let storage = MemoryStorage::with_timer(timer);
    let (a, driver) = Builder::new("k").id("a").build_with(storage.clone(), timer, || 1).unwrap();
    tokio::spawn(driver.run());
    let leadership = a.elected().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(leadership.is_valid(), "renewed");
    a.shutdown().await.unwrap();
}

#[test]
fn local_pool() {
    let mut pool = LocalPool::new();
    pool.run_until(scenario(SystemTimer::new()));
    let spawner = pool.spawner();
    pool.run_until(spawned(move |task| spawner.spawn_local_with_handle(task).unwrap()));
}

#[test]
fn bare_block_on() {
    block_on(scenario(SystemTimer::new()));
    block_on(spawned(|task| {
        let (done, wait) = futures::channel::oneshot::channel();
        thread::spawn(move || {
            block_on(task);
            done.send(()).unwrap();
        });
        wait
    }));
}

/// A runtime's own sleep, made a timer in one line.
#[test]
fn from_fns() {
    let clock = SystemTimer::new();
    let timer = lessor::time::from_fns(move || clock.now().since_origin(), smol::Timer::after);
    smol::block_on(scenario(Arc::new(timer)));
}

/// R18: the futures of the system's build are `Send`, also behind `dyn`.
#[test]
fn futures_are_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let storage: Arc<dyn lessor::Storage> = Arc::new(MemoryStorage::new());
    let (candidate, driver) = Builder::new("k").build(storage).unwrap();
    drop(is_send(candidate.elected()));
    drop(is_send(candidate.resign()));
    drop(is_send(candidate.clone()));
    drop(is_send(candidate.events()));
    drop(is_send(driver.run_until(pending::<()>())));
}
