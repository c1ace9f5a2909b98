//! One and the same scenario under every executor, in real time, on the shipped timers.

mod scenario;

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::executor::{LocalPool, block_on};
use futures::task::LocalSpawnExt;
use lessor::{Builder, MemoryStorage, SystemTimer, Timer, TokioTimer};
use scenario::{scenario, spawned};

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
