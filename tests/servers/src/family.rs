//! A server's processes: the one that was started, and its children.
//!
//! A signal is on its way when `kill` returns, and a process that runs on another processor may still have a child
//! meanwhile. So each of these looks until it is done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};

/// All stand still when this returns.
pub(crate) fn pause(process: &Child) {
    let parent = process.id().cast_signed();
    // It has no more children once it stands still.
    each(|| vec![parent], Signal::STOP, "Tt");
    each(|| children(parent), Signal::STOP, "Tt");
}

/// All go on.
pub(crate) fn resume(process: &Child) {
    let parent = process.id().cast_signed();
    for pid in children(parent).into_iter().chain([parent]) {
        send(pid, Signal::CONT);
    }
}

/// The children are dead when this returns, and it stands still.
#[cfg(any(feature = "postgres", test))]
pub(crate) fn kill_children(process: &Child) {
    let parent = process.id().cast_signed();
    each(|| vec![parent], Signal::STOP, "Tt");
    each(|| children(parent), Signal::KILL, "");
}

/// Signals these until each is in one of these states, or dead.
fn each(pids: impl Fn() -> Vec<i32>, signal: Signal, states: &str) {
    let is_done = |pid: &i32| state(*pid).is_none_or(|state| "ZX".contains(state) || states.contains(state));
    let timer = SystemTimer::new();
    loop {
        let mut left = pids();
        left.retain(|pid| !is_done(pid));
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(|pid| send(pid, signal));
        block_on(timer.sleep(Duration::from_millis(1)));
    }
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// As the kernel writes it: `T` is stopped, `Z` is dead and not waited for.
fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(folder(pid).join("stat")).ok()?;
    // The name stands before it in parentheses, and may have some of its own.
    stat.rsplit_once(") ")?.1.chars().next()
}

fn children(parent: i32) -> Vec<i32> {
    let file = folder(parent).join("task").join(parent.to_string()).join("children");
    let read = fs::read_to_string(file).unwrap_or_default();
    read.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn folder(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Has children all the time.
    struct Busy(Child);

    impl Busy {
        fn start() -> Self {
            let script = "while :; do /bin/true & /bin/true & wait; done";
            Self(Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().expect("a shell"))
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_busy_family_stands_still() {
        let process = Busy::start();
        for _ in 0..200 {
            pause(&process.0);
            let parent = process.0.id().cast_signed();
            let states: Vec<_> = children(parent).into_iter().chain([parent]).filter_map(state).collect();
            assert!(states.iter().all(|state| "TtZX".contains(*state)), "{states:?}");
            resume(&process.0);
        }
    }

    #[test]
    fn no_child_of_a_busy_one_outlives_it() {
        for _ in 0..50 {
            let process = Busy::start();
            kill_children(&process.0);
            let states: Vec<_> = children(process.0.id().cast_signed()).into_iter().filter_map(state).collect();
            assert!(states.iter().all(|state| "ZX".contains(*state)), "{states:?}");
        }
    }
}
