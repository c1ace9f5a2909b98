//! How fast `lessor list` lists ten thousand keys, beside `psql`, and whether `lessor watch` follows a thousand hand-overs a second.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use lessor::storage::Acquired;
use lessor::storage::Reply;
use lessor::{Storage, Term};
use lessor_servers::asking::{claim, now, patiently, release};
use lessor_servers::postgres::Server;
use serde_json::Value;

const KEYS: usize = 10_000;
const ROUNDS: usize = 15;

/// So many keys change hands so often in a second.
const FOLLOWED: usize = 1_000;
const SECONDS: u64 = 10;

fn lessor(arguments: &[&str], url: &str) -> Command {
    let mut command =
        Command::new(std::env::var_os("LESSOR_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_lessor").into()));
    command.args(arguments).env("LESSOR_STORAGE", url).stdin(Stdio::null());
    command
}

fn time(mut command: Command) -> Duration {
    let began = now();
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stdout.iter().filter(|byte| **byte == b'\n').count() >= KEYS,
        "{output:?}"
    );
    now() - began
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let server = Server::start();
    let url = server.url();
    let storage = smol::block_on(lessor_any::open(&url)).unwrap();
    smol::block_on(async {
        for part in 0..KEYS / 500 {
            let claims = (0..500).map(|number| claim(&format!("{:05}", part * 500 + number), 1));
            assert!(storage.call_all(patiently(claims)).await.iter().all(Result::is_ok));
        }
    });
    let psql = || {
        let mut command = Command::new("psql");
        command.args([
            url.as_str(),
            "-Atc",
            "SELECT key, id, term, version, ttl, expires, since, value FROM lessor_leases",
        ]);
        command
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(time(lessor(&["list"], &url)));
        theirs.push(time(psql()));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{KEYS} keys listed: {ours:.0?}, psql {theirs:.0?}: {:.2} times as long", ours.div_duration_f64(theirs));
    follow(&*storage, &url);
}

/// As many hand-overs as the server takes, up to a thousand a second: each is seen, or counted.
fn follow(storage: &dyn Storage, url: &str) {
    let mut watch = lessor(&["watch", "moving/", "--output", "json"], url).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let claims: Vec<_> = (0..FOLLOWED).map(|number| claim(&format!("moving/{number:03}"), 1)).collect();
    let mut last: Vec<Option<Term>> = vec![None; FOLLOWED];
    let began = now();
    smol::block_on(async {
        for second in 1..=SECONDS {
            let asked = claims.iter().zip(&last).map(|(claim, last)| claim.clone().after(*last));
            for (reply, last) in storage.call_all(patiently(asked)).await.into_iter().zip(&mut last) {
                let Ok(Reply::Acquired(Acquired::Granted { term, .. })) = reply else { panic!("{reply:?}") };
                *last = Some(term);
            }
            if second < SECONDS {
                assert!(storage.call_all(patiently(claims.iter().map(release))).await.iter().all(Result::is_ok));
            }
            smol::Timer::after(Duration::from_secs(second).saturating_sub(now() - began)).await;
        }
    });
    let took = now() - began;
    let expected: BTreeMap<_, _> =
        claims.iter().zip(&last).map(|(claim, last)| (claim.key.to_string(), last.unwrap().get())).collect();
    let (mut seen, mut told, mut unseen) = (BTreeMap::new(), 0_u64, 0);
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let term = line["lease"]["term"].as_u64().unwrap();
        let before = seen.insert(line["key"].as_str().unwrap().to_owned(), term);
        match line["change"].as_str().unwrap() {
            "granted" | "ended" => {
                assert_eq!(before.unwrap() + 1 + line["unseen_terms"].as_u64().unwrap(), term, "{line}");
                told += 1;
                unseen += line["unseen_terms"].as_u64().unwrap();
            }
            "seen" => told += term,
            _ => {}
        }
        if seen == expected {
            break;
        }
    }
    let late = now() - began - took;
    watch.kill().unwrap();
    watch.wait().unwrap();
    let all = expected.values().sum::<u64>();
    assert_eq!(told + unseen, all);
    println!(
        "{all} hand-overs, {:.0} a second: all told or counted ({unseen} counted), the last {late:.0?} after it happened",
        all as f64 / took.as_secs_f64()
    );
}
