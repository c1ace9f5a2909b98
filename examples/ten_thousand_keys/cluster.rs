//! The processes, and what they say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::Result;
use crate::options::Options;
use crate::process::INTERVAL;
use crate::state::State;

pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) members: Vec<Member>,
}

/// A process, dead or alive.
pub(crate) struct Member {
    pub(crate) id: String,
    child: Option<Child>,
    said: Option<std::sync::mpsc::Receiver<String>>,
    /// What it said last, and a moment before.
    pub(crate) state: State,
    pub(crate) before: State,
    pub(crate) killed: Option<Instant>,
}

impl Cluster {
    pub(crate) fn new(options: Options) -> Self {
        let member = |number| Member {
            id: format!("node-{number}"),
            child: None,
            said: None,
            state: State::default(),
            before: State::default(),
            killed: None,
        };
        let members = (1..=options.processes).map(member).collect();
        Self { options, members }
    }

    pub(crate) fn start(&mut self, member: usize) -> Result<()> {
        let Options { storage, keys, ttl, .. } = &self.options;
        let member = &mut self.members[member];
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--process", &member.id, "--storage", storage, "--keys", &keys.to_string()])
            .args(["--ttl", &ttl.as_secs_f64().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("its output is piped")?).lines();
        let (say, said) = std::sync::mpsc::channel();
        thread::spawn(move || lines.map_while(std::result::Result::ok).try_for_each(|line| say.send(line)));
        (member.child, member.said, member.killed) = (Some(child), Some(said), None);
        (member.state, member.before) = (State::default(), State::default());
        Ok(())
    }

    /// SIGKILL: it has no time to release anything.
    pub(crate) fn kill(&mut self, member: usize) {
        let member = &mut self.members[member];
        if let Some(mut child) = member.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        (member.said, member.killed) = (None, Some(Instant::now()));
        (member.state, member.before) = (State::default(), State::default());
    }

    pub(crate) fn kill_all(&mut self) {
        (0..self.members.len()).for_each(|member| self.kill(member));
    }

    /// Takes in what they said since the last time, once they had time to say something.
    pub(crate) async fn look(&mut self) -> Result<()> {
        smol::Timer::after(INTERVAL).await;
        for member in &mut self.members {
            if let Some(child) = &mut member.child
                && let Some(status) = child.try_wait()?
            {
                return Err(format!("{} has ended: {status}", member.id).into());
            }
            for line in member.said.iter().flat_map(|said| said.try_iter()) {
                (member.before, member.state) = (member.state, line.parse()?);
            }
        }
        Ok(())
    }

    /// How many keys are led.
    pub(crate) fn led(&self) -> u64 {
        self.members.iter().map(|member| member.state.leads).sum()
    }

    pub(crate) fn all_led(&self) -> bool {
        self.led() == u64::from(self.options.keys)
    }

    /// Whether each that runs leads its share, a tenth more or less.
    pub(crate) fn is_even(&self) -> bool {
        let running: Vec<_> = self.members.iter().filter(|member| member.child.is_some()).collect();
        let share = f64::from(self.options.keys) / running.len() as f64;
        // (Of few keys a tenth is less than one.)
        let within = (share / 10.0).max(3.0 * share.sqrt());
        running.iter().all(|member| (member.state.leads as f64 - share).abs() <= within)
    }
}
