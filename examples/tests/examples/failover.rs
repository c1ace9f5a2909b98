//! Real processes lose their leader, and the program that does it to them.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Output;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use smol::io::{AsyncBufReadExt, BufReader};
use smol::process::{Child, Command, Stdio};
use smol::stream::StreamExt;

use crate::example::example;
use crate::{PATIENCE, run, stdout};

const HOLDS: &str = "never two leaders at a time: it holds";

fn stderr(output: &Output) -> &str {
    core::str::from_utf8(&output.stderr).unwrap()
}

/// The folder that the processes share, and their ids, as far as they are known by this line.
#[derive(Default)]
struct Traces {
    folder: PathBuf,
    processes: Vec<Pid>,
}

impl Traces {
    fn follow(&mut self, line: &str) {
        if let Some(database) = line.strip_prefix("the processes share ") {
            self.folder = Path::new(database).parent().unwrap().to_path_buf();
        }
        if let Some((_, id)) = line.split_once(" runs as process ") {
            self.processes.push(Pid::from_raw(id.parse().unwrap()).unwrap());
        }
    }

    fn of(output: &Output) -> Self {
        let mut traces = Self::default();
        stdout(output).lines().for_each(|line| traces.follow(line));
        traces
    }

    #[track_caller]
    fn assert_gone(&self) {
        assert!(self.folder.is_absolute() && !self.folder.exists(), "{:?}", self.folder);
        for process in &self.processes {
            assert_eq!(test_kill_process(*process), Err(Errno::SRCH), "process {process:?}");
        }
    }
}

/// A demonstration that is under way: the first leader works.
async fn under_way() -> (Child, Traces) {
    let mut command = Command::new(example("failover"));
    let command = command.args(["--rounds", "1000", "--ttl", "1s"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut traces = Traces::default();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    while let Some(line) = lines.next().await {
        let line = line.unwrap();
        traces.follow(&line);
        if line.starts_with("round 1") {
            break;
        }
    }
    drop(lines);
    assert_eq!(traces.processes.len(), 3);
    for process in &traces.processes {
        assert_eq!(test_kill_process(*process), Ok(()));
    }
    assert!(traces.folder.is_dir());
    (child, traces)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// R1, R5, R11, R12: real processes, killed, resigning and frozen.
#[test]
fn a_round_proves_the_promises() {
    let output = run("failover", &["--rounds", "1", "--ttl", "500ms"]);
    let out = stdout(&output);
    assert!(output.status.success(), "{output:?}");
    for expected in
        ["was killed in term", "resigned in term", "was frozen in term", ": refused", "for scale: ttl 500 ms", HOLDS]
    {
        assert!(out.contains(expected), "no {expected:?} in {out}");
    }
    assert!(!out.contains(", 0 stale refused"), "{out}");
    let traces = Traces::of(&output);
    assert_eq!(traces.processes.len(), 4, "the killed process is replaced");
    traces.assert_gone();
}

/// R11: without the fence a process that was frozen amidst a write spoils the table, and the check sees it.
#[test]
fn the_check_sees_a_missing_fence() {
    let output = run("failover", &["--rounds", "1", "--ttl", "500ms", "--break", "fence"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("WRONG: ") && stdout(&output).contains(" after a write in term "), "{output:?}");
    assert!(!stdout(&output).contains("two leaders for"), "{output:?}");
    Traces::of(&output).assert_gone();
}

/// R1: who believes in a flag leads beside the next one, and the check sees it.
#[test]
fn the_check_sees_two_leaders() {
    let output = run("failover", &["--rounds", "1", "--ttl", "500ms", "--break", "belief"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("WRONG: two leaders for "), "{output:?}");
    assert!(!stdout(&output).contains(" after a write in term "), "{output:?}");
    Traces::of(&output).assert_gone();
}

#[test]
fn wrong_options_are_explained() {
    for (option, given, allowed) in [
        ("--ttl", "nonsense", "200ms to 60s"),
        ("--ttl", "10ms", "200ms to 60s"),
        ("--processes", "1", "a number from 2 to 32"),
        ("--rounds", "many", "a number from 1 to 1000"),
        ("--break", "everything", "`fence` or `belief`"),
    ] {
        let output = run("failover", &[option, given]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(&format!("{option} is {given}, allowed is {allowed}")), "{output:?}");
    }
    let output = run("failover", &["--help"]);
    assert!(output.status.success() && stdout(&output).contains("--ttl <duration>"), "{output:?}");
}

/// No process and no folder stays behind an interrupted demonstration.
#[test]
fn an_interruption_cleans_up() {
    smol::block_on(async {
        for signal in [Signal::INT, Signal::TERM] {
            let (child, traces) = under_way().await;
            kill_process(pid(&child), signal).unwrap();
            let output = child.output().await.unwrap();
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(stderr(&output).contains("interrupted"), "{output:?}");
            traces.assert_gone();
        }
    });
}

/// Nor do processes stay whose parent could not end them.
#[test]
fn processes_do_not_outlive_their_parent() {
    smol::block_on(async {
        let (mut child, traces) = under_way().await;
        child.kill().unwrap();
        child.status().await.unwrap();
        for process in traces.processes {
            let mut patience = PATIENCE;
            while !has_ended(process) {
                assert!(!patience.is_zero(), "{process:?} outlives its parent");
                let pause = Duration::from_millis(20);
                smol::Timer::after(pause).await;
                patience = patience.saturating_sub(pause);
            }
        }
        std::fs::remove_dir_all(traces.folder).unwrap();
    });
}

/// Gone, or about to be: whoever inherits it may take its time to notice.
fn has_ended(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    test_kill_process(process) == Err(Errno::SRCH) || stat.is_ok_and(|stat| stat.contains(") Z "))
}
