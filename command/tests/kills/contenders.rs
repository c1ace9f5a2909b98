//! Three `lessor run` that compete, and are started anew when they have ended.

use rustix::process::{Pid, Signal, kill_process};
use smol::process::{Child, Command, Stdio};

use crate::ledger::{COMMAND, Entry, entries};
use crate::process::{Files, LESSOR, end_of, has_ended, kill, until, within};

pub(crate) struct Contenders {
    files: Files,
    url: String,
    runs: Vec<(String, Child)>,
    started: usize,
    /// All that was seen: leashes and commands.
    seen: Vec<Pid>,
}

/// A command that runs, and what it belongs to.
pub(crate) struct Running {
    /// How many began before it.
    pub(crate) place: usize,
    pub(crate) id: String,
    pub(crate) run: Pid,
    /// Which leads the process group.
    pub(crate) leash: Pid,
    pub(crate) command: Pid,
}

impl Contenders {
    pub(crate) fn start(files: Files, url: &str) -> Self {
        let mut contenders = Self { files, url: url.into(), runs: Vec::new(), started: 0, seen: Vec::new() };
        (0..3).for_each(|_| contenders.add());
        contenders
    }

    fn add(&mut self) {
        self.started += 1;
        let id = format!("run-{}", self.started);
        let mut run = Command::new(LESSOR);
        run.args([
            "run",
            "--key",
            "kills",
            "--ttl",
            "3s",
            "--grace",
            "300ms",
            "--restart",
            "--pause",
            "10ms",
            "--log",
            "off",
        ]);
        run.args(["--storage", &self.url, "--id", &id, "--", "sh", "-c", COMMAND]);
        run.current_dir(self.files.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        self.runs.push((id, run.spawn().unwrap()));
    }

    fn entries(&self) -> Vec<Entry> {
        entries(&std::fs::read_to_string(self.files.path("ledger")).unwrap_or_default())
    }

    /// The command that runs now, once there is one.
    pub(crate) async fn running(&mut self) -> Running {
        loop {
            until("a command has begun", || !self.entries().is_empty()).await;
            let entries = self.entries();
            let Entry { id, command, .. } = entries.last().unwrap().clone();
            let run = self.runs.iter().find(|(name, _)| *name == id).map(|(_, run)| pid(run));
            // It may just be on its way from one to the next.
            if let (Some(run), Ok(leash)) = (run, rustix::process::getpgid(Some(command))) {
                self.seen.extend([leash, command]);
                return Running { place: entries.len(), id, run, leash, command };
            }
            self.replace().await;
            smol::Timer::after(core::time::Duration::from_millis(5)).await;
        }
    }

    /// Another begins in the place of each that has ended.
    async fn replace(&mut self) {
        let ended = |(_, run): &mut (String, Child)| run.try_status().unwrap().is_some();
        let before = self.runs.len();
        self.runs.retain_mut(|run| !ended(run));
        (self.runs.len()..before).for_each(|_| self.add());
    }

    /// Ends all, and answers how many commands began.
    pub(crate) async fn end(mut self) -> usize {
        let ledger = self.files.path("ledger");
        for (_, run) in &self.runs {
            let run = pid(run);
            // Each of them lets go whoever it inherits.
            until("no zombie is left", || children_of(run).into_iter().all(|child| !has_ended(child))).await;
        }
        for (_, run) in &mut self.runs {
            kill(run, Signal::TERM);
        }
        for (_, run) in &mut self.runs {
            let status = run.status();
            let commands = async {
                loop {
                    // Half of them do not heed SIGTERM, and the next one may have begun.
                    if let Some(last) = entries(&std::fs::read_to_string(&ledger).unwrap_or_default()).last() {
                        last.kill();
                    }
                    smol::Timer::after(core::time::Duration::from_millis(50)).await;
                }
            };
            within(smol::future::or(async { assert!(status.await.is_ok()) }, commands)).await;
        }
        for process in &self.seen {
            within(end_of(*process)).await;
        }
        self.entries().len()
    }
}

/// Once another command has begun, or the same one anew.
pub(crate) async fn begins_anew(contenders: &mut Contenders, last: &Running) {
    for _ in 0..2 {
        contenders.replace().await;
        let begun = async {
            while contenders.entries().len() <= last.place {
                smol::Timer::after(core::time::Duration::from_millis(10)).await;
            }
        };
        // After a crash of Redis nothing is granted for a minute: twice that long.
        if smol::future::or(
            async {
                begun.await;
                true
            },
            async {
                smol::Timer::after(core::time::Duration::from_secs(100)).await;
                false
            },
        )
        .await
        {
            return;
        }
    }
    panic!("no command began after {} of {}", last.place, last.id);
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Fails only for whoever has ended.
pub(crate) fn send(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}
