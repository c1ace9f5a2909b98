//! An example that runs as a process of its own, and what it prints.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, example};

pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// In this folder, where it has its storage.
    pub(crate) fn start(folder: &Path, name: &str, args: &[&str]) -> Self {
        Self::start_with(folder, name, args, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn start_with(folder: &Path, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(example(name));
        let command =
            command.args(args).current_dir(folder).env_remove("LESSOR_STORAGE").envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (printed, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| printed.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// The next line with this in it.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) -> &str {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("{:?} does not say {part:?} but {:#?}", self.child, self.seen)
            };
            self.seen.push(line);
            if self.seen.last().unwrap().contains(part) {
                return self.seen.last().unwrap();
            }
        }
    }

    /// What it has printed up to now.
    pub(crate) fn seen(&mut self) -> &[String] {
        self.seen.extend(self.lines.try_iter());
        &self.seen
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end, and gives all that it printed.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        until("the program ends", || self.child.try_wait().unwrap().is_some());
        self.seen.extend(self.lines.iter());
        (self.child.wait().unwrap(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let pause = Duration::from_millis(20);
    let mut patience = PATIENCE;
    while !is_so() {
        assert!(!patience.is_zero(), "waited in vain until {what}");
        smol::block_on(smol::Timer::after(pause));
        patience = patience.saturating_sub(pause);
    }
}
