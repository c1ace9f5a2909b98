//! The threads of the SQLite storage, in a process of their own so that they can be counted.
#![cfg(target_os = "linux")]
use std::fs;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use lessor::{Key, Storage, StorageExt, SystemTimer, Timer};
use lessor_sqlite::SqliteStorage;

fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lessor") || name.starts_with("notify")).collect()
}

/// Subscriptions do not keep a storage alive, and nothing of it goes on when its last clone is dropped.
#[test]
fn the_last_clone_takes_all_threads_along() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leases.db");
    let key = Key::new("k").unwrap();
    let mut wakeups = block_on(async {
        let storage = SqliteStorage::open(&path).await.unwrap();
        storage.migrate().await.unwrap();
        assert_eq!(threads().len(), 1, "nobody follows, nothing is watched: {:?}", threads());
        let clone = storage.clone();
        drop(storage);
        let wakeups = clone.subscribe(&key);
        assert_eq!(clone.get(&key).await.unwrap(), None);
        assert_eq!(threads().len(), 2, "{:?}", threads());
        wakeups
    });
    let timer = SystemTimer::new();
    let start = timer.now();
    while !threads().is_empty() {
        assert!(timer.now().saturating_duration_since(start).as_secs() < 20, "still running: {:?}", threads());
        std::thread::yield_now();
    }
    // The last connection of a file takes its log along.
    assert!(!path.with_file_name("leases.db-wal").exists());
    assert_eq!(wakeups.next().now_or_never(), None);
}
