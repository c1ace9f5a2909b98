//! What people write with a leader election, as processes that share a file.

use tempfile::tempdir;

use crate::program::{Program, until};

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

/// R20, R21: three processes share the keys, one is killed and comes back. The program checks that nothing moved in vain.
#[test]
fn ten_thousand_keys_tells_its_story() {
    let folder = tempdir().unwrap();
    let mut program = Program::start(folder.path(), "ten_thousand_keys", &["--keys", "300", "--ttl", "3"]);
    program.says("all are led, evenly, after");
    program.says("the others lead all, evenly,");
    program.says("were handed over");
    assert!(program.end().0.success());
}

/// As it said last.
fn leads(program: &mut Program) -> u32 {
    let counts = program.seen().iter().rev().find_map(|line| line.strip_prefix("leads ")?.split(' ').next());
    counts.map_or(0, |count| count.parse().unwrap())
}
