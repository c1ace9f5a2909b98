//! An example of the library, built and run as a user does it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

/// One process of the example. It ends when this is dropped.
struct Node(Child, Receiver<String>);

impl Node {
    fn start(example: &Path, database: &str) -> Self {
        let started = Command::new(example).env("DATABASE_URL", database).stdout(Stdio::piped()).spawn();
        let mut child = started.expect("the example runs");
        let (said, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self(child, lines)
    }

    #[track_caller]
    fn says(&self, beginning: &str) {
        while !self
            .1
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("nobody says {beginning:?}"))
            .starts_with(beginning)
        {}
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of an example, built as this test is.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn built(example: &str) -> PathBuf {
    let test = env::current_exe().expect("this program");
    let profile_folder = test.ancestors().nth(2).expect("a folder for the profile");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "lessor", "--example", example, "--target-dir"])
        .arg(profile_folder.parent().expect("a folder for all profiles"))
        .args(["--profile", if profile_folder.ends_with("debug") { "dev" } else { "release" }])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .status();
    assert!(built.expect("cargo runs").success());
    profile_folder.join("examples").join(example)
}

/// Two processes of the example on this database: the one that leads is told to end, and the other leads in a later term at once.
///
/// # Panics
/// If it does not.
pub fn two_processes_hand_over(example: &str, database: &str) {
    let example = built(example);
    let mut first = Node::start(&example, database);
    first.says("wrote in term 1 ");
    let second = Node::start(&example, database);
    second.says("follows");
    kill_process(Pid::from_child(&first.0), Signal::TERM).expect("the first is there");
    assert!(first.0.wait().expect("it ends").success());
    second.says("leads in term 2");
    second.says("wrote in term 2 ");
}
