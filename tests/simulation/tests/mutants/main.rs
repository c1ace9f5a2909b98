//! Mutants of our own: faults planted one at a time into a copy of the library. The simulator has to notice each
//! within a few runs, else a run without a finding says nothing.
//!
//! `LESSOR_MUTANTS=cached_flag,no_margin` hunts only these.

mod faults;
mod misuses;
mod workshop;

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use faults::Mutant;
use misuses::MISUSES;
use workshop::Workshop;

/// Within so many runs every fault is noticed.
const RUNS: u64 = 2_000;

/// What few runs notice, and one that does: the hunt begins there, and saves the minutes until then. After a change of what
/// a seed stands for another may be the first; the table of results says which.
const BEGINS: &[(&str, u64)] = &[
    ("a_free_key_waits_for_the_interval", 1309),
    ("left_not_capped", 140),
    ("oldest_given_up", 118),
    ("all_given_up", 118),
    ("seat_asked_when_it_comes_up", 335),
    ("the_dead_are_there", 352),
    ("moves_not_counted", 109),
    ("given_to_whoever_asks", 269),
    ("wake_up_for_one_slot", 646),
    ("the_woken_hear_what_was", 195),
    ("what_another_heard_does_not_age", 366),
];

/// Hunts take seconds, that of the control minutes on a busy machine. One that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(600);

/// The library without a fault, and its simulator.
const CONTROL: &str = "none";
const SIMULATOR: &str = env!("CARGO_BIN_EXE_lessor-simulation");

/// A simulator to be run.
struct Hunt {
    name: &'static str,
    /// `None`: nothing is wrong.
    breaks: Option<&'static str>,
    why: &'static str,
    misuse: bool,
}

/// What came of a hunt.
enum Outcome {
    Caught { seed: u64, runs: u64, by: String },
    Clean { runs: u64 },
    Failed(String),
}

/// Every edit fits the sources as they are now: what follows takes minutes.
#[test]
fn every_fault_can_be_planted() {
    let mutants = faults::all();
    let names: BTreeSet<_> = mutants.iter().map(|mutant| mutant.name).chain(MISUSES.iter().map(|m| m.name)).collect();
    assert_eq!(names.len(), mutants.len() + MISUSES.len(), "two faults have one name");
    assert!(!names.contains(CONTROL));
    for (name, _) in BEGINS {
        assert!(names.contains(name), "{name} is no fault");
    }
    Workshop::open(0).check(&mutants).unwrap_or_else(|complaints| panic!("faults that do not fit:\n{complaints}"));
}

/// Each fault is noticed within 2,000 runs, and where there is none, none is.
#[test]
fn every_fault_is_noticed() {
    let only = env::var("LESSOR_MUTANTS").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|wanted| wanted == name));
    let mutants: Vec<_> = faults::all().into_iter().filter(|mutant| wanted(mutant.name)).collect();
    let workshop = Workshop::open(processors());
    workshop.check(&mutants).unwrap_or_else(|complaints| panic!("faults that do not fit:\n{complaints}"));

    let control = Hunt { name: CONTROL, breaks: None, why: "", misuse: false };
    let misused = MISUSES.iter().filter(|misuse| wanted(misuse.name)).map(|misuse| {
        let (name, breaks, why) = (misuse.name, Some(misuse.breaks), misuse.why);
        Hunt { name, breaks, why, misuse: true }
    });
    let planted = mutants.iter().map(|mutant| {
        let (name, breaks, why) = (mutant.name, Some(mutant.breaks), mutant.why);
        Hunt { name, breaks, why, misuse: false }
    });
    let hunts: Vec<_> = [control].into_iter().chain(misused).chain(planted).collect();
    let outcomes = hunt_all(&workshop, &hunts, &mutants);

    let rows: Vec<_> = hunts.iter().zip(&outcomes).map(|(hunt, outcome)| row(hunt, outcome)).collect();
    // Past the capture of the test's output: the table is what this is for.
    let _ = writeln!(io::stdout(), "\n{}", table(&rows));
    if only.is_none() {
        fs::write(workshop.table(), markdown(&hunts, &rows)).expect("the table can be written");
    }
    let wrong: Vec<_> = hunts.iter().zip(&outcomes).filter(|(hunt, outcome)| !hunt.expects(outcome)).collect();
    let wrong: Vec<_> =
        wrong.iter().map(|(hunt, outcome)| format!("{}: {outcome} ({})", hunt.name, hunt.why)).collect();
    assert!(wrong.is_empty(), "not as it should be:\n{}", wrong.join("\n"));
}

impl Hunt {
    fn expects(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Caught { runs, .. } => self.breaks.is_some() && *runs <= RUNS,
            Outcome::Clean { runs } => self.breaks.is_none() && *runs >= RUNS,
            Outcome::Failed(_) => false,
        }
    }

    fn begins(&self) -> u64 {
        BEGINS.iter().find(|(name, _)| *name == self.name).map_or(0, |(_, seed)| *seed)
    }

    fn run(&self, simulator: &Path) -> Outcome {
        self.try_run(simulator).unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    fn try_run(&self, simulator: &Path) -> io::Result<Outcome> {
        let mut command = Command::new(simulator);
        let begins = self.begins();
        command.args(["hunt", "--first-seed", &begins.to_string(), "--runs", &(RUNS - begins).to_string()]);
        if self.misuse {
            command.args(["--misuse", self.name]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = loop {
            match command.spawn() {
                // A process that is about to begin may still have it open from when it was copied.
                Err(busy) if busy.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
                begun => break begun?,
            }
        };
        let (mut out, err) = (child.stdout.take(), child.stderr.take());
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = out.as_mut().map_or(Ok(0), |out| out.read_to_string(&mut text));
            let _ = sender.send(read.map(|_| text));
        });
        // Its progress has to go somewhere; what it said last may explain a failure.
        let progress = thread::spawn(move || {
            let mut bytes = Vec::new();
            err.and_then(|mut err| err.read_to_end(&mut bytes).ok());
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let said = said.recv_timeout(PATIENCE);
        if said.is_err() {
            child.kill()?;
        }
        let code = child.wait()?.code();
        let progress = progress.join().unwrap_or_default();
        Ok(match said {
            Ok(text) => Outcome::parse(&text?, code, &progress).after(begins),
            Err(_) => Outcome::Failed(format!("no answer within {PATIENCE:?}; {}", last_lines(&progress))),
        })
    }
}

impl Outcome {
    /// The runs from seed 0 on count, also those that were left out since they notice nothing.
    fn after(self, left_out: u64) -> Self {
        match self {
            Self::Caught { seed, runs, by } => Self::Caught { seed, runs: left_out + runs, by },
            other => other,
        }
    }

    /// `caught: seed 7, after 3 runs, R2: what happened` and 1, or `clean: 2000 runs` and 0.
    fn parse(text: &str, code: Option<i32>, progress: &str) -> Self {
        let found = text.lines().find_map(|line| match code {
            Some(0) => {
                let runs = line.strip_prefix("clean: ")?.strip_suffix(" runs")?.parse().ok()?;
                Some(Self::Clean { runs })
            }
            Some(1) => {
                let (seed, rest) = line.strip_prefix("caught: seed ")?.split_once(", after ")?;
                let (runs, by) = rest.split_once(" runs, ")?;
                Some(Self::Caught { seed: seed.parse().ok()?, runs: runs.parse().ok()?, by: by.to_owned() })
            }
            _ => None,
        });
        found.unwrap_or_else(|| {
            Self::Failed(format!("exit code {code:?}, {}; {}", last_lines(text), last_lines(progress)))
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught { seed, runs, by } => write!(f, "caught at seed {seed} after {runs} runs: {by}"),
            Self::Clean { runs } => write!(f, "nothing noticed in {runs} runs"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// The same for documents: why somebody would do that instead of what happened then.
fn markdown(hunts: &[Hunt], rows: &[[String; COLUMNS]]) -> String {
    let lines = hunts.iter().zip(rows).map(|(hunt, [_, breaks, seed, runs, by])| {
        let (rule, _) = by.split_once(": ").unwrap_or((by, ""));
        let kind = if hunt.misuse { "use" } else { "code" };
        let (name, why) = (hunt.name, hunt.why);
        format!("| `{name}` | {kind} | {why} | {breaks} | {rule} | {seed} | {runs} |\n")
    });
    let head =
        "| fault | of | why somebody would | breaks | noticed by | seed | runs |\n|---|---|---|---|---|---:|---:|\n";
    [head.to_owned()].into_iter().chain(lines).collect()
}

fn processors() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

/// As many hunts at a time as there are processors, while the next mutants are built.
fn hunt_all(workshop: &Workshop, hunts: &[Hunt], mutants: &[&Mutant]) -> Vec<Outcome> {
    let (ready, next) = mpsc::channel::<(usize, PathBuf)>();
    let next = Mutex::new(next);
    let take = || next.lock().expect("nobody panics with it").recv();
    let work = || {
        let mut outcomes = Vec::new();
        while let Ok((place, simulator)) = take() {
            outcomes.push((place, hunts[place].run(&simulator)));
        }
        outcomes
    };
    let mut outcomes: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..processors()).map(|_| scope.spawn(work)).collect();
        let unplanted = hunts.len() - mutants.len();
        for place in 0..unplanted {
            ready.send((place, SIMULATOR.into())).expect("workers wait for it");
        }
        let mut built = workshop.set_up();
        for (place, some) in (unplanted..).step_by(processors()).zip(mutants.chunks(processors())) {
            built = built.and_then(|()| workshop.build(some)).map(|simulators| {
                for (place, simulator) in (place..).zip(simulators) {
                    ready.send((place, simulator)).expect("workers wait for it");
                }
            });
        }
        drop(ready);
        let outcomes = workers.into_iter().flat_map(|worker| worker.join().expect("a hunt does not panic")).collect();
        built.unwrap_or_else(|error| panic!("the mutants cannot be built:\n{error}"));
        outcomes
    });
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

const COLUMNS: usize = 5;

/// What happened may be a long story.
const WIDE: usize = 120;

fn row(hunt: &Hunt, outcome: &Outcome) -> [String; COLUMNS] {
    let breaks = hunt.breaks.unwrap_or("-").to_owned();
    let name = if hunt.misuse { format!("{} (misuse)", hunt.name) } else { hunt.name.to_owned() };
    let [seed, runs, by] = match outcome {
        Outcome::Caught { seed, runs, by } => [seed.to_string(), runs.to_string(), by.clone()],
        Outcome::Clean { runs } => ["-".to_owned(), runs.to_string(), "nothing".to_owned()],
        Outcome::Failed(why) => ["-".to_owned(), "-".to_owned(), format!("ERROR: {why}")],
    };
    [name, breaks, seed, runs, by]
}

fn table(rows: &[[String; COLUMNS]]) -> String {
    let head = ["fault", "breaks", "seed", "runs", "noticed by"].map(str::to_owned);
    let rows: Vec<_> = [&head].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [name, breaks, seed, runs, _] = std::array::from_fn(width);
    let lines = rows.iter().map(|row| {
        let [a, b, c, d, e] = row;
        let e: String = e.chars().take(WIDE).collect();
        format!("{a:name$}  {b:breaks$}  {c:>seed$}  {d:>runs$}  {e}\n")
    });
    lines.collect()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}
