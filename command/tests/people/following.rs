//! `watch`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lessor::StorageExt;
use lessor_servers::asking::{claim, granted, release};
use serde_json::{Value, json};

use crate::Place;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that watches, and its lines as they come.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let arguments = [&["watch"], arguments].concat();
        let mut child = place.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn hand_overs_are_lines() {
    for place in Place::all() {
        let storage = place.storage();
        let first = claim("k", 1);
        let term = granted(smol::block_on(storage.acquire(first.clone())));
        let (words, objects) = (Watching::start(&place, &[]), Watching::start(&place, &["k", "--output", "json"]));
        let line = words.line();
        assert!(line.ends_with(&format!(" k led by candidate 1 in term {term}")), "{line}");
        let seen = objects.json();
        let of = |seen: &Value| (seen["change"].clone(), seen["state"].clone(), seen["lease"]["id"].clone());
        assert_eq!(of(&seen), (json!("seen"), json!("led"), json!("candidate 1")));
        smol::block_on(storage.release(release(&first))).unwrap();
        let line = words.line();
        assert!(line.ends_with(&format!(" k released in term {term}")), "{line}");
        assert_eq!(of(&objects.json()), (json!("released"), json!("free"), json!(null)));
        let mut second = claim("k", 2).after(Some(term));
        second.ttl = Duration::from_millis(300);
        let next = granted(smol::block_on(storage.acquire(second)));
        let line = words.line();
        assert!(line.ends_with(&format!(" k granted to candidate 2 in term {next}")), "{line}");
        assert_eq!(of(&objects.json()), (json!("granted"), json!("led"), json!("candidate 2")));
        // Nobody tells of an end.
        let line = words.line();
        assert!(line.ends_with(&format!(" k expired in term {next}, of candidate 2")), "{line}");
        assert_eq!(of(&objects.json()).0, "expired");
        // A key that was not there.
        let _ = granted(smol::block_on(storage.acquire(claim("new", 1))));
        let line = words.line();
        assert!(line.contains(" new led by candidate 1 in term "), "{line}");
    }
}

/// As fast as they come: each term is told of, or counted.
#[test]
fn no_term_is_lost() {
    const KEYS: usize = 20;
    const TERMS: usize = 100;
    for place in Place::all() {
        let storage = place.storage();
        let watching = Watching::start(&place, &["--output", "json"]);
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&number.to_string(), 1)).collect();
        let mut last = vec![None; claims.len()];
        smol::block_on(async {
            for round in 1..=TERMS {
                for (claim, last) in claims.iter().zip(&mut last) {
                    *last = Some(granted(storage.acquire(claim.clone().after(*last)).await));
                    if round < TERMS {
                        storage.release(release(claim)).await.unwrap();
                    }
                }
            }
        });
        let last: Vec<u64> = last.into_iter().map(|term| term.unwrap().get()).collect();
        let mut seen = vec![0; claims.len()];
        while seen != last {
            let line = watching.json();
            let terms = &mut seen[line["key"].as_str().unwrap().parse::<usize>().unwrap()];
            let term = line["lease"]["term"].as_u64().unwrap();
            match line["change"].as_str().unwrap() {
                // What was before is not told.
                "seen" => *terms = term,
                "granted" | "ended" => {
                    match line["unseen_terms"].as_u64() {
                        Some(unseen) => assert_eq!(*terms + 1 + unseen, term, "{line}"),
                        None => assert!(place.url.starts_with("redis:") && *terms < term, "{line}"),
                    }
                    *terms = term;
                }
                "released" => assert_eq!(*terms, term, "{line}"),
                _ => panic!("{line}"),
            }
        }
    }
}
