//! Many keys of one process over PostgreSQL: who leads, and what it costs both sides, beside bare statements of the same
//! rows in the same run.
//!
//! `tests/run bench` runs it; `cargo bench -p lessor-servers --bench many_keys -- 10 keys growth` watches for 10 s
//! instead of 60, and measures two of the rows. Each row is a process of its own, with a server of its own that has
//! PostgreSQL's defaults for what survives. It prints, and judges nothing: other load on the machine is in every figure.
#![allow(clippy::disallowed_methods, reason = "what is measured is time")]

mod crowd;
mod far;
mod followers;
mod growth;
mod keys;
mod machine;
mod one_key;
mod opened;
mod pass;
mod rebalance;
mod server;
mod table;

use std::env;
use std::process::Command;
use std::time::Duration;

use smol::block_on;

/// A row's name, and what it is about.
const ROWS: [(&str, &str); 9] = [
    ("pass", "10,000 keys in flights, each operation beside a bare statement"),
    ("keys", "10,000 keys, two connections"),
    ("narrow", "10,000 keys, one connection"),
    ("far", "1,000 keys, 20 ms away, a reset and a stall"),
    ("opened", "10,000 candidates at once, lessor_any::open"),
    ("one", "one key alone"),
    ("followers", "100 candidates of one key"),
    ("growth", "1,000, 10,000 and 100,000 keys"),
    ("rebalance", "8 processes share 5,000 keys, one is killed, one comes"),
];

/// As long as is watched, unless an argument says how many seconds.
const WATCHED: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it is there.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    // The first number is how long to watch.
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let watched = numbers.next().map_or(WATCHED, Duration::from_secs);
    let program = || {
        let mut program = Command::new(env::current_exe().expect("this program"));
        program.args(["--bench", &watched.as_secs().to_string()]);
        program
    };
    let is_asked = |name: &str| arguments.iter().any(|argument| argument == name);
    if is_asked("growing") {
        return block_on(growth::of(numbers.next().unwrap_or(1) as usize, watched));
    }
    if is_asked(rebalance::PROCESS) {
        return block_on(rebalance::process(numbers.next().unwrap_or(1) as usize));
    }
    let chosen: Vec<_> = ROWS.iter().filter(|(name, _)| is_asked(name)).collect();
    if let ([(name, _)], true) = (&chosen[..], is_asked("alone")) {
        return measure(name, watched, program);
    }
    println!("| what; beside it | beside it | lessor | ratio |\n|---|---:|---:|---:|");
    for (name, meaning) in if chosen.is_empty() { ROWS.iter().collect() } else { chosen } {
        table::note(&format!("**{meaning}** (load {})", machine::load()));
        let ended = program().args(["alone", name]).status().expect("it runs");
        if !ended.success() {
            table::note(&format!("{name}: {ended}"));
        }
    }
}

fn measure(row: &str, watched: Duration, program: impl Fn() -> Command) {
    match row {
        "pass" => block_on(pass::measure()),
        "keys" => block_on(keys::measure(2, watched)),
        "narrow" => block_on(keys::measure(1, watched)),
        "far" => block_on(far::measure(watched)),
        "opened" => block_on(opened::measure(watched)),
        "one" => block_on(one_key::measure()),
        "followers" => block_on(followers::measure(watched)),
        "rebalance" => block_on(rebalance::measure(program)),
        _ => growth::measure(program),
    }
}
