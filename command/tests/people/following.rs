//! `watch`.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lessor::StorageExt;
use lessor_servers::asking::{claim, granted, release};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{Place, lessor};

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

/// How it ends.
fn code(child: &mut Child) -> Option<i32> {
    let ended = async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            smol::Timer::after(Duration::from_millis(10)).await;
        }
    };
    let late = async {
        smol::Timer::after(PATIENCE).await;
        None
    };
    let code = smol::block_on(smol::future::or(ended, late));
    let _ = child.kill();
    code
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
        // Longer than it takes to be told of it.
        second.ttl = Duration::from_secs(5);
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

/// As `lessor watch | grep -q granted`: a pipe's reader is gone, and nothing happens that could be told.
#[test]
fn who_is_not_read_ends() {
    let place = Place::sqlite();
    let _ = granted(smol::block_on(place.storage().acquire(claim("k", 1))));
    let mut child = place.command(&["watch", "--interval", "1h"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(" k led by candidate 1 "), "{line}");
    assert_eq!(code(&mut child), Some(141));
}

/// Ctrl-C is heard while a storage is asked that says nothing.
#[test]
fn a_storage_that_says_nothing_keeps_nobody() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://user@{}/database", silent.local_addr().unwrap());
    let mut child = lessor(&["watch", "--storage", &url, "--timeout", "1h"]).spawn().unwrap();
    let _asked = silent.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(code(&mut child), Some(0));
}

/// Whatever ends it, the terminal is as it was.
#[cfg(target_os = "linux")]
#[test]
fn the_terminal_is_left_as_it_was() {
    let place = Place::sqlite();
    let _ = place.storage();
    for (signal, expected) in [(Signal::INT, 0), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let run = format!("stty rows 24 cols 80; exec {} watch --storage {}", env!("CARGO_BIN_EXE_lessor"), place.url);
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &run, "/dev/null"]).env("TERM", "xterm");
        let mut terminal = terminal.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut shown = terminal.stdout.take().unwrap();
        let mut heard = String::new();
        let mut until = |what: &str| {
            while !heard.contains(what) {
                let mut bytes = [0; 4096];
                let count = shown.read(&mut bytes).unwrap();
                assert!(count > 0, "{signal:?}: it ended without {what:?}: {heard:?}");
                heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        until("all keys: 0");
        let children = format!("/proc/{0}/task/{0}/children", terminal.id());
        let children = std::fs::read_to_string(children).unwrap();
        kill_process(Pid::from_raw(children.trim().parse().unwrap()).unwrap(), signal).unwrap();
        until("\u{1b}[?25h");
        until("\u{1b}[?1049l");
        assert_eq!(code(&mut terminal), Some(expected));
    }
}
