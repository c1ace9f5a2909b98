//! A program of this house's examples, built and run as a user does it.

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
    /// With this variable in its environment.
    fn start(program: &Path, (variable, value): (&str, &str)) -> Self {
        let started = Command::new(program).env(variable, value).stdout(Stdio::piped()).spawn();
        let mut child = started.expect("the example runs");
        let (said, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
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

    /// In which term it leads, and then writes.
    #[track_caller]
    fn leads(&self) -> u64 {
        let term = self.says("leads in term ").parse().expect("a term");
        let wrote = self.says("wrote ") + " ";
        assert!(wrote.contains(&format!("in term {term} ")), "it leads in term {term}, and wrote {wrote}");
        term
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of an example: from the folder `LESSOR_EXAMPLES`, or else built as this test is, with all storages.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn built(example: &str) -> PathBuf {
    if let Some(folder) = env::var_os("LESSOR_EXAMPLES") {
        return Path::new(&folder).join(example);
    }
    let test = env::current_exe().expect("this program");
    let profile_folder = test.ancestors().nth(2).expect("a folder for the profile");
    let mut build = Command::new(env!("CARGO"));
    // What this test's own cargo has told it: build scripts that look at it would run anew, each time.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| told(&name.to_string_lossy())) {
        build.env_remove(name);
    }
    let built = build
        .args(["build", "--quiet", "-p", "lessor-examples", "--features", "etcd,mysql,postgres,redis"])
        .args(["--example", example, "--target-dir"])
        .arg(profile_folder.parent().expect("a folder for all profiles"))
        .args(["--profile", if profile_folder.ends_with("debug") { "dev" } else { "release" }])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .status();
    assert!(built.expect("cargo runs").success());
    profile_folder.join("examples").join(example)
}

/// Two processes of an example, which take their server from this variable. The one that leads is told to end: it does,
/// and the other leads at once. The answer is in which term the first led, and in which one the other.
///
/// # Panics
/// If they do not hand over.
#[must_use]
pub fn two_processes_hand_over(program: &Path, server: (&str, &str)) -> (u64, u64) {
    let mut first = Node::start(program, server);
    let old = first.leads();
    let second = Node::start(program, server);
    second.says("follows");
    kill_process(Pid::from_child(&first.0), Signal::TERM).expect("the first is there");
    assert!(first.0.wait().expect("it ends").success());
    (old, second.leads())
}
