//! What people write with a leader election, as processes that share a file.

use tempfile::tempdir;

use crate::program::{Program, get, until};

fn address(program: &mut Program) -> String {
    let line = program.says("serves at ");
    line.rsplit([' ', '/']).next().unwrap().into()
}

/// R9, R16: both answer and are ready, whoever leads; SIGTERM hands over at once.
#[test]
fn web_service_hands_over_at_sigterm() {
    let folder = tempdir().unwrap();
    let mut first = Program::start(folder.path(), "web_service", &[]);
    let first_address = address(&mut first);
    first.says("leads in term 1");
    let mut second = Program::start(folder.path(), "web_service", &[]);
    let second_address = address(&mut second);
    until("the second has asked the storage", || get(&second_address, "/health/ready").0 == 200);
    for address in [&first_address, &second_address] {
        assert_eq!(get(address, "/health/live").0, 200);
        assert_eq!(get(address, "/health/ready").0, 200);
        assert_eq!(get(address, "/").1, format!("http://{first_address} leads in term 1\n"));
    }

    first.terminate();
    second.says("leads in term 2");
    assert_eq!(get(&second_address, "/").1, format!("http://{second_address} leads in term 2\n"));
    let (status, lines) = first.end();
    assert!(status.success(), "{status}");
    let last = ["leads no more: term 1 is ending: the candidate stopped", "has handed over and ended"];
    assert!(lines.ends_with(&last.map(String::from)), "{lines:#?}");
}

#[test]
fn web_service_explains_its_port() {
    let output = super::run("web_service", &["eighty"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("allowed is a number from 0 to 65535"), "{output:?}");
}

/// One of all that start at once, and none that starts a moment after the job was done.
#[test]
fn cli_does_the_job_once() {
    let folder = tempdir().unwrap();
    let start = || Program::start(folder.path(), "cli", &[]);
    let mut programs = [(); 5].map(|()| start());
    let mut did = None;
    until("one has done the job", || {
        did = programs.iter_mut().position(|program| program.seen().iter().any(|line| line.starts_with("wrote")));
        did.is_some()
    });
    let late = start();
    let mut statuses = [0; 5];
    for (place, program) in programs.into_iter().enumerate() {
        let (status, lines) = program.end();
        statuses[place] = status.code().unwrap();
        let line = if did == Some(place) { "wrote the report, in term 1" } else { "left it to another, in term 1" };
        assert_eq!(lines, [line]);
    }
    let (status, lines) = late.end();
    assert_eq!((status.code(), lines), (Some(3), vec!["left it to another, in term 1".into()]));
    let mut expected = [3; 5];
    expected[did.unwrap()] = 0;
    assert_eq!(statuses, expected);

    // As it says of itself, it has no memory.
    start().says("wrote the report, in term 2");
}

/// R3, R16: after the leader's death the other one answers with its own address.
#[test]
fn sidecar_answers_who_leads() {
    let folder = tempdir().unwrap();
    let mut first = Program::start(folder.path(), "sidecar", &["node-a"]);
    let first_address = address(&mut first);
    first.says(r#""leads":true"#);
    let mut second = Program::start(folder.path(), "sidecar", &["node \"b\""]);
    let second_address = address(&mut second);
    second.says(r#""leader":"node-a""#);
    let answer = |address: &str| {
        let (status, body) = get(address, "/");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let expected = serde_json::json!({"leader": "node-a", "address": first_address, "term": 1, "leads": false});
    assert_eq!(answer(&second_address), expected);
    assert_eq!(get(&second_address, "/elsewhere").0, 404);

    first.kill();
    second.says(r#""leads":true"#);
    let expected = serde_json::json!({"leader": "node \"b\"", "address": second_address, "term": 2, "leads": true});
    assert_eq!(answer(&second_address), expected);
}

/// R3, R9: every shard is led, and whoever is there leads them all.
#[test]
fn many_keys_are_divided_and_taken_over() {
    let folder = tempdir().unwrap();
    let [mut first, mut second, mut third] =
        ["1", "2", "3"].map(|seat| Program::start(folder.path(), "many_keys", &[seat]));
    until("three divide the shards", || {
        let counts = [&mut first, &mut second, &mut third].map(leads);
        counts.iter().all(|count| *count > 0) && counts.iter().sum::<u32>() == 200
    });
    third.kill();
    until("two divide them", || leads(&mut first) + leads(&mut second) == 200);
    first.terminate();
    until("one leads all", || leads(&mut second) == 200);
    assert!(first.end().0.success());
}

/// As it said last.
fn leads(program: &mut Program) -> u32 {
    let counts = program.seen().iter().rev().find_map(|line| line.split_once(" leads ")?.1.split(' ').next());
    counts.map_or(0, |count| count.parse().unwrap())
}

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
