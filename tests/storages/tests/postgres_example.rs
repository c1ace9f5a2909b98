//! The example, built and run as a user does it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lessor_storage_tests::postgres::Server;
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

/// One process of the example. It ends when this is dropped.
struct Node(Child, Receiver<String>);

impl Node {
    fn start(server: &Server) -> Self {
        let test = env::current_exe().unwrap();
        let example = test.parent().and_then(Path::parent).unwrap().join("examples/postgres");
        let mut child = Command::new(example).env("DATABASE_URL", server.url()).stdout(Stdio::piped()).spawn().unwrap();
        let (said, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
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

/// R9: who is told to end hands over, and the next one leads in a later term at once.
#[test]
fn two_processes_hand_over() {
    let profile_folder = env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "lessor", "--example", "postgres", "--target-dir"])
        .arg(profile_folder.parent().unwrap())
        .args(["--profile", if profile_folder.ends_with("debug") { "dev" } else { "release" }])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .status();
    assert!(built.unwrap().success());
    let server = Server::start();
    let mut first = Node::start(&server);
    first.says("wrote in term 1 ");
    let second = Node::start(&server);
    second.says("follows");
    kill_process(Pid::from_child(&first.0), Signal::TERM).unwrap();
    assert!(first.0.wait().unwrap().success());
    second.says("leads in term 2");
    second.says("wrote in term 2 ");
}
