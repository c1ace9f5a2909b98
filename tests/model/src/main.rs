//! Checks a scope, or shows how a planted fault is found.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use lessor_model::{Check, Scope, Search};
use lexopt::prelude::*;

const HELP: &str = "\
every order of events in a small election

  check --scope tiny|small|medium|large|back|forward|transfer
              |registers|marks|coarse|observers

    --fault NAME      takes one rule of the protocol away: has to be found
    --property NAME   ends at a violation of this property only
    --search bfs|dfs  breadth first (the default) finds the shortest path, depth first remembers less
    --threads N       1 by default
    --states N        ends after so many generated states
    --seconds N       ends after so long
    --paths           shows how each \"sometimes\" property comes about";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut check = Check::new(Scope::small());
    let (mut command, mut paths) = (String::new(), false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(word) if command.is_empty() => command = word.string()?,
            Long("scope") => check.scope = parser.value()?.parse()?,
            Long("fault") => check.fault = Some(parser.value()?.parse()?),
            Long("property") => check.property = Some(parser.value()?.string()?),
            Long("search") => check.search = parser.value()?.parse_with(search)?,
            Long("threads") => check.threads = parser.value()?.parse()?,
            Long("states") => check.most_states = Some(parser.value()?.parse()?),
            Long("seconds") => check.most_time = Some(Duration::from_secs(parser.value()?.parse()?)),
            Long("paths") => paths = true,
            Long("help") | Short('h') => command = "help".into(),
            other => return Err(other.unexpected().into()),
        }
    }
    if command != "check" {
        println!("{HELP}");
        return Ok(if command == "help" { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let report = check.run()?;
    print!("{report}");
    for finding in report.findings.iter().filter(|finding| paths && !finding.always) {
        println!("\n{}:\n{}", finding.property, finding.path.as_deref().unwrap_or("  never"));
    }
    Ok(if report.is_violated() || report.missing().next().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn search(name: &str) -> Result<Search, String> {
    match name {
        "bfs" => Ok(Search::BreadthFirst),
        "dfs" => Ok(Search::DepthFirst),
        _ => Err(format!("no search '{name}', only bfs, dfs")),
    }
}
