//! Schedulers that share a file.

use tempfile::tempdir;

use crate::program::Program;

/// No run is done twice, however near to it a hand-over comes, and who leads leaves out none.
#[test]
fn scheduler_does_each_run_once() {
    let folder = tempdir().unwrap();
    let mut first = Program::start(folder.path(), "scheduler", &[]);
    first.says("in term 1");
    let mut second = Program::start(folder.path(), "scheduler", &[]);
    second.says("runs are due");
    first.says("in term 1");
    // Right after a run that both of them woke up for.
    first.says("in term 1");
    first.terminate();
    for _ in 0..3 {
        second.says("in term 2");
    }
    second.terminate();
    let [first, second] = [first, second].map(|program| {
        let (status, lines) = program.end();
        assert!(status.success(), "{status}");
        let runs: Vec<u32> = lines.iter().filter_map(|line| run(line)).collect();
        assert!(runs.windows(2).all(|pair| pair[1] == (pair[0] + 1) % DAY), "{lines:#?}");
        runs
    });
    assert!(first.len() >= 3 && second.len() >= 3);
    assert!(first.iter().all(|run| !second.contains(run)), "{first:?} {second:?}");
}

const DAY: u32 = 24 * 60 * 60;

/// Which second of the day it was due.
fn run(line: &str) -> Option<u32> {
    let (time, _) = line.strip_prefix("run of ")?.split_once(" in term ")?;
    Some(time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().unwrap()))
}
