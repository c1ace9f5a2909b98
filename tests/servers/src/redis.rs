//! A Redis server of one's own, in a temporary folder.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use ::redis::{Client, Connection, FromRedisValue, Value, cmd};
use futures::executor::block_on;
use lessor::{SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::family;
use crate::folder::own_folder;

const PATIENCE: Duration = Duration::from_secs(60);

/// The password of its default user.
pub const PASSWORD: &str = "s3cret-of-the-tests";

/// What a server keeps when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// No persistence.
    Nothing,
    /// `appendonly yes`, `appendfsync always`.
    Everything,
}

/// A running server. It ends when this is dropped, also while it is paused.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    in_cluster: bool,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Starts a new server.
    ///
    /// # Panics
    /// If there is no Redis on this machine, or it does not start.
    #[must_use]
    pub fn start(keeps: Keeps) -> Self {
        Self::with(keeps, &[])
    }

    /// Starts a cluster of this one server, which has all the slots.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn cluster(keeps: Keeps) -> Self {
        let (mut server, _) = Self::node(keeps, (0, 16_383));
        server.in_cluster = true;
        server.wait_for(Self::serves);
        server
    }

    /// Starts a cluster of these two servers, each of which has half of the slots.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn cluster_of_two(keeps: Keeps) -> [Self; 2] {
        let ((mut one, _), (mut other, bus)) = (Self::node(keeps, (0, 8_191)), Self::node(keeps, (8_192, 16_383)));
        one.tell(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), &bus.to_string()]);
        for server in [&mut one, &mut other] {
            server.in_cluster = true;
            server.wait_for(Self::serves);
        }
        [one, other]
    }

    /// A server that has these slots of a cluster, and the port on which it talks to the others.
    fn node(keeps: Keeps, (first, last): (u16, u16)) -> (Self, u16) {
        let bus = crate::free_port();
        let server = Self::with(keeps, &["cluster-enabled yes", &format!("cluster-port {bus}")]);
        server.tell(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        (server, bus)
    }

    /// Starts a new server with more settings, as the lines of its file.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(keeps: Keeps, settings: &[&str]) -> Self {
        let folder = own_folder();
        let server = Self { port: crate::free_port(), folder, in_cluster: false, process: Mutex::new(None) };
        let append = match keeps {
            Keeps::Nothing => "appendonly no",
            Keeps::Everything => "appendonly yes\nappendfsync always",
        };
        let lines = format!(
            "port {}\nbind 127.0.0.1\ndir {}\nlogfile log\nsave \"\"\nrequirepass {PASSWORD}\n{append}\n{}\n",
            server.port,
            server.folder.path().display(),
            settings.join("\n")
        );
        fs::write(server.path("redis.conf"), lines).expect("a file with the settings");
        server.run();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self) {
        let mut command = Command::new("redis-server");
        command.arg(self.path("redis.conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("redis-server is not installed: `tests/run storages` installs it");
        *self.process.lock().expect("no test panicked here") = Some(process);
        self.wait_for(Self::serves);
    }

    fn serves(&self) -> bool {
        let answers = |command: &[&str], part| self.try_ask::<String>(command).is_some_and(|told| told.contains(part));
        answers(&["PING"], "PONG") && (!self.in_cluster || answers(&["CLUSTER", "INFO"], "cluster_state:ok"))
    }

    fn wait_for(&self, ready: impl Fn(&Self) -> bool) {
        let timer = SystemTimer::new();
        let started = timer.now();
        while !ready(self) {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            let waited = timer.now().saturating_duration_since(started);
            assert!(waited < PATIENCE, "the server does not answer:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(20)));
        }
    }

    /// Kills the server, as a crash does, and starts it again on what it kept.
    ///
    /// # Panics
    /// If it does not start.
    pub fn crash(&self) {
        self.stop();
        self.run();
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

    /// Its port on the loopback interface.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/", self.port)
    }

    /// How to connect, for redis-rs.
    ///
    /// # Panics
    /// Never: the URL is one.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::open(self.url()).expect("a URL")
    }

    /// What the server answers to a command, on a connection of its own.
    ///
    /// # Panics
    /// If it answers with an error or something else than this.
    #[must_use]
    pub fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_ask(command).unwrap_or_else(|| panic!("the server does not do {command:?}"))
    }

    /// [`ask`](Self::ask) where the answer does not matter.
    ///
    /// # Panics
    /// If it is an error.
    pub fn tell(&self, command: &[&str]) {
        let _: Value = self.ask(command);
    }

    fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> Option<T> {
        let mut connection: Connection = self.client().get_connection_with_timeout(PATIENCE).ok()?;
        let (name, arguments) = command.split_first()?;
        cmd(name).arg(arguments).query(&mut connection).ok()
    }

    /// A field of what `INFO` answers.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn info(&self, name: &str) -> String {
        let info: String = self.ask(&["INFO", "all"]);
        let field = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
        field.unwrap_or_else(|| panic!("INFO says nothing of {name}"))
    }

    /// Lets every lease end that much later, as a step back of the clock does.
    pub fn push_expiries(&self, by: Duration) {
        const PUSH: &str = r"local pattern = '^(%d+\n%d+\n%d+\n)(%d+)(\n.*)$'
for _, key in ipairs(redis.call('KEYS', '*:{*}:*')) do
    local before, expires, rest = string.match(redis.call('GET', key), pattern)
    redis.call('SET', key, string.format('%s%.0f', before, expires + ARGV[1]) .. rest)
end";
        self.tell(&["EVAL", PUSH, "0", &by.as_millis().to_string()]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it kept is removed with its folder.
        self.stop();
    }
}
