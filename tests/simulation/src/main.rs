//! Runs seeds, replays one, compares protocols.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lessor_simulation::counts::Counts;
use lessor_simulation::story::Story;
use lessor_simulation::timeline::{self, Options, Scene};
use lessor_simulation::{Misuse, Outcome, Plan, Protocol, Summary, many, report, run};
use lexopt::prelude::*;

const HELP: &str = "\
lessor under every fault, in virtual time

  replay SEED [--svg FILE] [--from S] [--until S]   shows one run; with --svg as a picture
  hunt                                              runs seeds until one breaks a promise
  report                                            a hunt, and what it got into, as Markdown
  compare                                           three protocols under the same seeds, as Markdown

hunt, report and compare take --runs N, --first-seed SEED and --threads N; report takes --years N instead of --runs.
replay and hunt take --protocol lessor|less|client-go and --misuse NAME; replay takes --defaults for the settings that
compare uses.";

struct Args {
    command: String,
    seed: u64,
    runs: u64,
    years: Option<f64>,
    protocol: Protocol,
    misuse: Option<Misuse>,
    defaults: bool,
    threads: usize,
    svg: Option<PathBuf>,
    options: Options,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = parse()?;
    match args.command.as_str() {
        "replay" => replay(&args),
        "hunt" => Ok(hunt(&args)),
        "report" => Ok(report(&args)),
        "compare" => Ok(compare(&args)),
        "" | "help" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(format!("no command '{other}'\n\n{HELP}").into()),
    }
}

fn parse() -> Result<Args, Box<dyn Error>> {
    let threads = thread::available_parallelism().map_or(1, Into::into);
    let mut args = Args {
        command: String::new(),
        seed: 0,
        runs: 2000,
        years: None,
        protocol: Protocol::Lessor,
        misuse: None,
        defaults: false,
        threads,
        svg: None,
        options: Options::default(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(word) if args.command.is_empty() => args.command = word.string()?,
            Value(seed) => args.seed = seed.parse()?,
            Long("first-seed") => args.seed = parser.value()?.parse()?,
            Long("runs") => args.runs = parser.value()?.parse()?,
            Long("years") => args.years = Some(parser.value()?.parse()?),
            Long("threads") => args.threads = parser.value()?.parse::<usize>()?.max(1),
            Long("protocol") => args.protocol = protocol(&parser.value()?.string()?)?,
            Long("misuse") => args.misuse = Some(misuse(&parser.value()?.string()?)?),
            Long("defaults") => args.defaults = true,
            Long("svg") => args.svg = Some(parser.value()?.into()),
            Long("from") => args.options.from = Some(Duration::try_from_secs_f64(parser.value()?.parse()?)?),
            Long("until") => args.options.until = Some(Duration::try_from_secs_f64(parser.value()?.parse()?)?),
            Long("help") | Short('h') => args.command = "help".into(),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(args)
}

fn protocol(name: &str) -> Result<Protocol, String> {
    match name {
        "lessor" => Ok(Protocol::Lessor),
        "less" => Ok(Protocol::Less),
        "client-go" => Ok(Protocol::ClientGo),
        _ => Err(format!("--protocol is '{name}', allowed are lessor, less, client-go")),
    }
}

fn misuse(name: &str) -> Result<Misuse, String> {
    let found = Misuse::ALL.iter().find(|(known, _)| *known == name).map(|(_, misuse)| *misuse);
    found.ok_or_else(|| format!("--misuse is '{name}', allowed are {}", Misuse::ALL.map(|(name, _)| name).join(", ")))
}

fn replay(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let plan = match args.defaults {
        true => Plan::with_defaults(args.seed, args.protocol),
        false => Plan::new(args.seed, args.protocol, args.misuse),
    };
    let outcome = run(plan, true);
    if let Some(file) = &args.svg {
        fs::write(file, timeline::draw(&outcome.trace, &args.options))?;
    } else {
        for entry in &outcome.trace.entries {
            println!("{:>12.6} {:?}", entry.at.as_secs_f64(), entry.what);
        }
    }
    println!("{}", outcome.trace.title);
    println!("{} s, fingerprint {:016x}", outcome.counts.simulated.as_secs(), outcome.fingerprint);
    if outcome.counts.overlaps > 0 {
        println!("two led {} times, for {:?} altogether", outcome.counts.overlaps, outcome.counts.overlapped);
    }
    // Elsewhere a key may have more leaders than one: in slots, and after a revoke.
    if args.defaults {
        let scene = Scene::new(&outcome.trace, 0);
        for told in Story::new(args.protocol, &scene).breaks() {
            println!("{:>12.6} {}. {}", told.from.as_secs_f64(), told.head, told.text);
        }
    }
    Ok(match outcome.broken {
        Some(broken) => {
            println!("broken at {:.3} s: {}: {}", broken.at.as_secs_f64(), broken.rule, broken.text);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

impl Args {
    fn seeds(&self) -> Range<u64> {
        self.seed..self.seed.saturating_add(self.runs)
    }

    /// These seeds, with progress for those who wait.
    fn many(&self, seeds: Range<u64>, plan: impl Fn(u64) -> Plan + Sync, summary: &mut Summary) {
        let watch = |runs: u64, seeds: &[u64]| eprintln!("{runs} runs, under way: {seeds:?}");
        many(seeds, self.threads, plan, |outcome| summary.add(outcome), watch);
    }

    fn swarm(&self) -> impl Fn(u64) -> Plan + Sync {
        let (protocol, misuse) = (self.protocol, self.misuse);
        move |seed| Plan::new(seed, protocol, misuse)
    }
}

fn hunt(args: &Args) -> ExitCode {
    let mut summary = Summary::default();
    args.many(args.seeds(), args.swarm(), &mut summary);
    let Counts { simulated, elections, requests, events, .. } = &summary.counts;
    eprintln!("{} s simulated, {elections} elections, {requests} requests, {events} events", simulated.as_secs());
    verdict(args, &summary)
}

fn verdict(args: &Args, summary: &Summary) -> ExitCode {
    match summary.first_broken() {
        Some((seed, broken)) => {
            let after = seed - args.seed + 1;
            println!("caught: seed {seed}, after {after} runs, {}: {}", broken.rule, broken.text);
            ExitCode::FAILURE
        }
        None => {
            println!("clean: {} runs", summary.runs);
            ExitCode::SUCCESS
        }
    }
}

fn report(args: &Args) -> ExitCode {
    let mut summary = Summary::default();
    let began = report::Stopwatch::start();
    match args.years {
        None => args.many(args.seeds(), args.swarm(), &mut summary),
        Some(years) => {
            // Thousands at a time, until they are as long as that together.
            while summary.counts.simulated.as_secs_f64() < years * report::YEAR && summary.broken.is_empty() {
                let from = args.seed.saturating_add(summary.runs);
                args.many(from..from.saturating_add(5_000), args.swarm(), &mut summary);
            }
        }
    }
    print!("{}", report::summary(args.seed, &summary, began.elapsed()));
    verdict(args, &summary)
}

fn compare(args: &Args) -> ExitCode {
    let mut columns = Vec::new();
    let mut broken = false;
    for protocol in [Protocol::Lessor, Protocol::Less, Protocol::ClientGo] {
        let mut groups = [Summary::default(), Summary::default()];
        let watch = |runs: u64, seeds: &[u64]| eprintln!("{}: {runs} runs, under way: {seeds:?}", protocol.name());
        let each = |outcome: Outcome| groups[usize::from(outcome.freezes)].add(outcome);
        many(args.seeds(), args.threads, |seed| Plan::with_defaults(seed, protocol), each, watch);
        broken |= groups.iter().any(|group| !group.broken.is_empty());
        columns.push((protocol, groups));
    }
    print!("{}", report::comparison(args.seeds(), &columns));
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
