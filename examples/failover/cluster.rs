//! The processes, seen from the parent: starts, signals and hears them.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use lessor::{Config, Observer, SystemTimer, Timer};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use smol::channel::{Receiver, Sender, unbounded};
use smol::future::or;
use smol::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use smol::process::{Child, ChildStdin, ChildStdout, Command};
use smol::stream::StreamExt;

use crate::Result;
use crate::node::RESIGN;
use crate::note::{self, Note};
use crate::options::{Options, STORAGE};
use crate::view::View;

pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) folder: PathBuf,
    /// All there ever were, in the order in which they were started.
    pub(crate) nodes: Vec<Node>,
    pub(crate) observer: Option<Observer>,
    pub(crate) view: View,
    tell: Sender<(usize, Said)>,
    heard: Receiver<(usize, Said)>,
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) state: State,
    /// The term in which it leads, and since when.
    pub(crate) reign: Option<(i64, Duration)>,
    /// How much it wrote in the newest term in which it wrote.
    wrote: (i64, u64),
    child: Child,
    orders: Option<ChildStdin>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum State {
    Runs,
    Frozen,
    Gone,
}

enum Said {
    Line(String),
    Nothing,
}

/// Who leads, in which term and since when.
#[derive(Clone, Copy)]
pub(crate) struct Leader {
    pub(crate) node: usize,
    pub(crate) term: i64,
    pub(crate) since: Duration,
    pub(crate) writes: u64,
}

impl Cluster {
    pub(crate) fn new(options: Options, folder: PathBuf) -> Self {
        let (tell, heard) = unbounded();
        Self { options, folder, nodes: Vec::new(), observer: None, view: View::new(), tell, heard }
    }

    pub(crate) fn config(&self) -> Config {
        Config::with_ttl(self.options.ttl)
    }

    /// After a crash somebody leads within this time, says the library: the lease runs out, a follower asks, the answer
    /// may be lost once.
    pub(crate) fn promised(&self) -> Duration {
        let Config { ttl, retry_interval, request_timeout, .. } = self.config();
        ttl + retry_interval.mul_f64(1.0 + Config::JITTER) + request_timeout * 2
    }

    /// When waiting turns into an error. The machine may be busy, hence so much more than what is promised. A Redis
    /// that is new to it grants nothing for a minute.
    fn due(&self) -> Duration {
        let frozen = self.options.storage.as_ref().is_some_and(|url| url.starts_with("redis"));
        self.promised() + Duration::from_secs(if frozen { 75 } else { 10 })
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let index = self.nodes.len();
        let name = format!("node-{}", index + 1);
        let mut command = std::process::Command::new(env::current_exe()?);
        command.args(["--node", &name, "--folder"]).arg(&self.folder);
        command.args(["--ttl", &format!("{}ms", self.options.ttl.as_millis())]);
        if let Some(url) = &self.options.storage {
            command.env(STORAGE, url);
        }
        if let Some(broken) = self.options.broken {
            command.args(["--break", broken.as_str()]);
        }
        // Its own group: Ctrl-C is for the parent, which then cleans up.
        command.process_group(0);
        let mut command = Command::from(command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        self.view.say(&format!("{name} runs as process {}", child.id()))?;
        let orders = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            smol::spawn(listen(index, output, self.tell.clone())).detach();
        }
        self.nodes.push(Node { name, state: State::Runs, reign: None, wrote: (0, 0), child, orders });
        Ok(())
    }

    pub(crate) fn node(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes.get_mut(index).ok_or_else(|| format!("there is no process number {index}").into())
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        self.nodes.get(index).map_or("?", |node| &node.name)
    }

    // === what it hears ===

    /// Waits for the leader of a newer term than this to have written so often.
    pub(crate) async fn leader(&mut self, after: i64, least: u64) -> Result<Leader> {
        let found = |cluster: &Self| {
            let reigns = cluster.nodes.iter().enumerate().filter(|(_, node)| node.state == State::Runs);
            let reigns = reigns.filter_map(|(index, node)| Some((index, node.wrote, node.reign?)));
            // A leader that was just woken may not have told yet that its term is over.
            let (node, (wrote_in, writes), (term, since)) = reigns.max_by_key(|(_, _, (term, _))| *term)?;
            (term > after && wrote_in == term && writes >= least).then_some(Leader { node, term, since, writes })
        };
        self.until(&format!("somebody leads in a later term than {after} and has written {least} times"), found).await
    }

    /// Waits for what this process notes of its work after so many notes.
    pub(crate) async fn next_work(&mut self, index: usize, notes: usize) -> Result<Note> {
        let what = format!("{} goes on with its work", self.name(index));
        self.until(&what, |cluster| cluster.work(index).ok()?.get(notes).copied()).await
    }

    /// Listens until something is found, at first in what is known already. After the due time it is an error.
    async fn until<R>(&mut self, what: &str, found: impl Fn(&Self) -> Option<R>) -> Result<R> {
        let clock = SystemTimer::new();
        let due = clock.now().saturating_add(self.due());
        loop {
            if let Some(found) = found(self) {
                return Ok(found);
            }
            if clock.now() > due {
                return Err(format!("not within {:?}: {what}", self.due()).into());
            }
            self.view.show(&self.nodes, self.observer.as_ref())?;
            let heard = self.heard.clone();
            let pause = async {
                smol::Timer::after(View::PAUSE).await;
                None
            };
            match or(async { heard.recv().await.ok() }, pause).await {
                Some((index, Said::Line(line))) => self.hear(index, &line)?,
                Some((index, Said::Nothing)) if self.node(index)?.state != State::Gone => {
                    return Err(format!("{} ended without being told to", self.name(index)).into());
                }
                _ => {}
            }
        }
    }

    fn hear(&mut self, index: usize, line: &str) -> Result<()> {
        let note = Note::parse(line).ok_or_else(|| format!("{} said {line:?}", self.name(index)))?;
        let node = self.node(index)?;
        match note {
            Note::Leads { term, after, .. } => node.reign = Some((term, after)),
            Note::Over { term, .. } => drop(node.reign.take_if(|(reign, _)| *reign == term)),
            Note::Wrote { term } if term == node.wrote.0 => node.wrote.1 += 1,
            Note::Wrote { term } => node.wrote = (term, 1),
            Note::Half { .. } | Note::Works { .. } | Note::Refused { .. } => {}
        }
        Ok(())
    }

    pub(crate) fn notes(&self, index: usize) -> Result<Vec<Note>> {
        note::read(&self.folder, self.name(index))
    }

    /// The notes of its work, without those of its belief.
    pub(crate) fn work(&self, index: usize) -> Result<Vec<Note>> {
        let mut notes = self.notes(index)?;
        notes.retain(|note| matches!(note, Note::Works { .. } | Note::Wrote { .. } | Note::Refused { .. }));
        Ok(notes)
    }

    // === what it does to them ===

    pub(crate) async fn kill(&mut self, index: usize) -> Result<()> {
        let node = self.node(index)?;
        node.state = State::Gone;
        node.reign = None;
        node.child.kill()?;
        node.child.status().await?;
        Ok(())
    }

    pub(crate) async fn resign(&mut self, index: usize) -> Result<()> {
        let orders = self.node(index)?.orders.as_mut().ok_or("its orders have ended")?;
        orders.write_all(format!("{RESIGN}\n").as_bytes()).await?;
        Ok(orders.flush().await?)
    }

    /// Returns when the process stands still.
    pub(crate) async fn freeze(&mut self, index: usize) -> Result<()> {
        let node = self.node(index)?;
        let pid = node.pid()?;
        kill_process(pid, Signal::STOP)?;
        node.state = State::Frozen;
        // Without taking the news from whoever waits for its end.
        let news = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = smol::unblock(move || waitid(WaitId::Pid(pid), news)).await?;
        if !status.is_some_and(|status| status.stopped()) {
            return Err(format!("{} ended when it was to be frozen", self.name(index)).into());
        }
        Ok(())
    }

    pub(crate) fn wake(&mut self, index: usize) -> Result<()> {
        let node = self.node(index)?;
        kill_process(node.pid()?, Signal::CONT)?;
        node.state = State::Runs;
        Ok(())
    }

    /// Lets all end by themselves, and makes sure that they do.
    pub(crate) async fn stop_all(&mut self) -> Result<()> {
        let due = self.due();
        for node in &mut self.nodes {
            node.orders = None;
        }
        for node in self.nodes.iter_mut().filter(|node| node.state != State::Gone) {
            let ended = async { Ok(node.child.status().await?) };
            let late = async {
                smol::Timer::after(due).await;
                Err(format!("{} did not end within {due:?}", node.name).into())
            };
            let status: Result<_> = or(ended, late).await;
            let status = status?;
            node.state = State::Gone;
            if !status.success() {
                return Err(format!("{} ended with {status}", node.name).into());
            }
        }
        self.view.clear()
    }

    /// Nobody is left after this, however far things have come. Those that have ended already do not mind.
    pub(crate) async fn kill_all(&mut self) {
        for node in &mut self.nodes {
            let _ = node.child.kill();
            let _ = node.child.status().await;
        }
        let _ = self.view.clear();
    }
}

impl Node {
    fn pid(&self) -> Result<Pid> {
        let raw = i32::try_from(self.child.id())?;
        Ok(Pid::from_raw(raw).ok_or("process 0")?)
    }
}

async fn listen(index: usize, output: ChildStdout, tell: Sender<(usize, Said)>) {
    let mut lines = BufReader::new(output).lines();
    while let Some(Ok(line)) = lines.next().await {
        let _ = tell.send((index, Said::Line(line))).await;
    }
    let _ = tell.send((index, Said::Nothing)).await;
}
