//! What Linux knows of a process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What this process has spent, all its threads together.
pub(crate) fn own_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

/// What a process of one thread has spent, in user mode and in the kernel: to the nanosecond, where `stat` counts ticks.
pub(crate) fn cpu_of(process: i32) -> Duration {
    let read = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    let spent = read.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok());
    Duration::from_nanos(spent.unwrap_or_default())
}

/// The memory of this process, in bytes.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}

/// How many want to run, of late.
pub(crate) fn load() -> String {
    let read = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    read.split_whitespace().next().unwrap_or_default().into()
}
