//! `lessor serve`, as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lessor_served::{Config, Server};
use tempfile::TempDir;

/// Where leases are, and what is said to the program.
#[derive(Default)]
pub(crate) struct Setting {
    /// `None`: a file of its own.
    pub(crate) storage: Option<String>,
    pub(crate) config: Config,
    pub(crate) arguments: Vec<String>,
    /// A program that starts it, and its arguments.
    pub(crate) under: Vec<String>,
}

/// With these arguments, and all else as it is.
pub(crate) fn with(arguments: &[&str]) -> Setting {
    Setting { arguments: arguments.iter().map(ToString::to_string).collect(), ..Setting::default() }
}

pub(crate) struct Running {
    child: Child,
    setting: Setting,
    folder: TempDir,
    port: u16,
    /// What it says to the standard error.
    lines: Mutex<Receiver<String>>,
}

/// The service over a file of its own, as those tests start it that are for other servers, too.
pub(crate) fn start(config: &Config) -> Box<dyn Server> {
    Box::new(Running::start(Setting { config: config.clone(), ..Setting::default() }))
}

/// What it measures.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    pub(crate) fn text(&self) -> String {
        lessor_served::call(&self.0, "GET", "/metrics", None, None).text
    }

    /// The value of this line; 0 where there is none.
    pub(crate) fn value(&self, line: &str) -> f64 {
        let text = self.text();
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        found.map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Running {
    pub(crate) fn start(setting: Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, lines, port) = spawn(&setting, &folder, 0);
        Self { child, setting, folder, port, lines: Mutex::new(lines) }
    }

    pub(crate) fn url(&self) -> String {
        let tls = self.setting.arguments.iter().any(|argument| argument == "--tls-cert");
        format!("{}://127.0.0.1:{}", if tls { "https" } else { "http" }, self.port)
    }

    /// The next line that has this in it.
    pub(crate) fn says(&self, what: &str) -> String {
        loop {
            let line = self.lines.lock().unwrap().recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|error| panic!("it does not say {what:?}: {error}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Where its metrics are, which have to be asked for: `--metrics-listen 127.0.0.1:0`.
    pub(crate) fn metrics(&self) -> Metrics {
        let line = self.says("metrics are on");
        let (_, rest) = line.split_once("http://").unwrap();
        Metrics(format!("http://{}", rest.split("/metrics").next().unwrap()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its code, when it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        lessor_served::until("it ends", || self.child.try_wait().unwrap()).code()
    }
}

/// The program, with what it needs to serve.
pub(crate) fn command(setting: &Setting, folder: &TempDir, port: u16) -> Command {
    let program = env!("CARGO_BIN_EXE_lessor").to_owned();
    let mut all = setting.under.iter().chain([&program]);
    let mut command = Command::new(all.next().unwrap());
    command.args(all);
    let file = folder.path().join("leases.db");
    let storage = setting.storage.clone().unwrap_or_else(|| file.to_str().unwrap().to_owned());
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]).args(&setting.arguments);
    command.env_clear().env("LESSOR_STORAGE", storage);
    for (name, value) in &setting.config.vars {
        match *name {
            "LESSOR_MIN_TTL_MS" => command.args(["--min-ttl-ms", value]),
            name => command.env(name, value),
        };
    }
    command.envs(setting.config.tokens.as_ref().map(|tokens| ("LESSOR_TOKENS", tokens)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn spawn(setting: &Setting, folder: &TempDir, port: u16) -> (Child, Receiver<String>, u16) {
    let mut child = command(setting, folder, port).spawn().unwrap();
    let (say, lines) = channel();
    let said = BufReader::new(child.stderr.take().unwrap());
    // Read to its end, so that it never waits for a reader.
    thread::spawn(move || said.lines().map_while(Result::ok).for_each(|line| drop(say.send(line))));
    let mut before = Vec::new();
    let port = loop {
        let line = lines.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| panic!("{error}: {before:?}"));
        if let Some((_, port)) = line.split_once("127.0.0.1:").filter(|_| line.contains("serves on")) {
            break port.split(|other: char| !other.is_ascii_digit()).next().unwrap().parse().unwrap();
        }
        before.push(line);
    };
    (child, lines, port)
}

impl Server for Running {
    fn url(&self) -> String {
        self.url()
    }

    fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, lines, port) = spawn(&self.setting, &self.folder, self.port);
        (self.child, self.lines, self.port) = (child, Mutex::new(lines), port);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(self.folder.path());
    }
}
