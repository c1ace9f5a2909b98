//! The example, built and run as a user does it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lessor_storage_tests::redis::{Keeps, Server};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

fn example(server: &Server) -> Command {
    let test = env::current_exe().unwrap();
    let example: PathBuf = test.parent().and_then(Path::parent).unwrap().join("examples/redis");
    let mut command = Command::new(example);
    command.env("REDIS_URL", server.url());
    command
}

/// One process of the example. It ends when this is dropped.
struct Node(Child, Receiver<String>);

impl Node {
    fn start(server: &Server) -> Self {
        let mut child = example(server).stdout(Stdio::piped()).spawn().unwrap();
        let (said, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self(child, lines)
    }

    /// The rest of the next line that begins like this.
    #[track_caller]
    fn says(&self, beginning: &str) -> String {
        loop {
            let line = self.1.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody says {beginning:?}"));
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.into();
            }
        }
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
        .args(["build", "--quiet", "-p", "lessor", "--example", "redis", "--target-dir"])
        .arg(profile_folder.parent().unwrap())
        .args(["--profile", if profile_folder.ends_with("debug") { "dev" } else { "release" }])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .status();
    assert!(built.unwrap().success());
    let server = Server::start(Keeps::Nothing);
    assert!(example(&server).arg("initialise").status().unwrap().success());
    let term = |text: String| -> u64 { text.parse().unwrap() };
    let mut first = Node::start(&server);
    let old = term(first.says("leads in term "));
    first.says(&format!("wrote report 1 in term {old}"));
    let second = Node::start(&server);
    second.says("follows");
    kill_process(Pid::from_child(&first.0), Signal::TERM).unwrap();
    assert!(first.0.wait().unwrap().success());
    let new = term(second.says("leads in term "));
    assert!(new > old);
    second.says(&format!("wrote report 1 in term {new}"));
}
