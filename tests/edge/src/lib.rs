//! Runs the Worker in workerd, for tests: a process of its own on a free port of the loopback interface, its state in a
//! temporary folder.
//!
//! The Worker has to be built before, and workerd installed: `tests/run edge` does both.

#![allow(clippy::missing_panics_doc, reason = "a test that cannot go on panics")]

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A token that may do everything.
pub const ADMIN: &str = "admin-token-for-tests-0123456789";
/// A token that may campaign.
pub const CANDIDATE: &str = "candidate-token-for-tests-012345";
/// A token that may campaign for keys that begin with `team-a/`.
pub const TEAM: &str = "team-token-for-tests-0123456789a";
/// A token that may look.
pub const READER: &str = "reader-token-for-tests-012345678";
/// A token of the second secret.
pub const NEXT: &str = "next-token-for-tests-0123456789a";

/// What the service is configured with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The secret of that name; `None`: it is not set.
    pub tokens: Option<String>,
    /// Variables.
    pub vars: Vec<(&'static str, String)>,
}

impl Default for Setting {
    /// All tokens, and ttls from 100 ms on so that tests need not wait long.
    fn default() -> Self {
        let token = |token: &str, role: &str| format!("{{\"token\": \"{token}\", \"role\": \"{role}\"}}");
        let team = format!("{{\"token\": \"{TEAM}\", \"role\": \"candidate\", \"prefixes\": [\"team-a/\"]}}");
        let tokens = [token(ADMIN, "admin"), token(CANDIDATE, "candidate"), token(READER, "read"), team].join(", ");
        let next = format!("[{}]", token(NEXT, "candidate"));
        Self {
            tokens: Some(format!("[{tokens}]")),
            vars: vec![("LESSOR_TOKENS_NEXT", next), ("LESSOR_MIN_TTL_MS", "100".into())],
        }
    }
}

/// What the Worker consists of. The first is its entry.
const MODULES: [(&str, &str); 6] = [
    ("worker.js", "esModule"),
    ("js/objects.js", "esModule"),
    ("js/service.js", "esModule"),
    ("page.html", "text"),
    ("build/index.js", "esModule"),
    ("build/index_bg.wasm", "wasm"),
];

/// A running service.
pub struct Workerd {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Workerd {
    /// Starts one, with nothing in its storage.
    pub fn start(setting: &Setting) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("state")).expect("a folder can be made");
        let bindings: String = setting
            .tokens
            .iter()
            .map(|tokens| ("LESSOR_TOKENS", tokens))
            .chain(setting.vars.iter().map(|(name, value)| (*name, value)))
            .map(|(name, value)| format!("(name = {name:?}, text = {}),\n", Value::from(value.as_str())))
            .collect();
        let modules: String = MODULES
            .map(|(name, kind)| {
                let copy = folder.path().join(name);
                fs::create_dir_all(copy.parent().expect("it is in a folder")).expect("a folder can be made");
                fs::copy(wasm().join(name), copy).expect("the Worker is built");
                format!("(name = {name:?}, {kind} = embed {name:?}),\n")
            })
            .concat();
        let config = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (
  services = [
    (name = \"main\", worker = .worker),
    (name = \"state\", disk = (path = {state:?}, writable = true)),
  ],
  sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\")],
);
const worker :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = \"2026-11-01\",
  bindings = [{bindings}
    (name = \"LEASES\", durableObjectNamespace = \"LeaseObject\"),
    (name = \"WATCH\", durableObjectNamespace = \"WatchObject\"),
  ],
  durableObjectNamespaces = [
    (className = \"LeaseObject\", uniqueKey = \"lessor-leases\", enableSql = true),
    (className = \"WatchObject\", uniqueKey = \"lessor-watch\", enableSql = true),
  ],
  durableObjectStorage = (localDisk = \"state\"),
);
",
            state = folder.path().join("state"),
        );
        fs::write(folder.path().join("config.capnp"), config).expect("the configuration can be written");
        let (child, port) = spawn(folder.path(), 0);
        Self { child, port, folder }
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends the process at once, without a word, and starts another one on the same port with the same state.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        (self.child, self.port) = spawn(self.folder.path(), self.port);
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        // It ignores gentler signals while a request hangs.
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// An answer to a request that may be anything: its status, content type and body.
    pub fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Answer {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body.unwrap_or_default().to_owned()).expect("a request");
        let mut response = agent.run(request).expect("an answer");
        let kind =
            response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let text = response.body_mut().read_to_string().expect("a body");
        Answer { status: response.status().as_u16(), kind, text }
    }
}

/// What the service said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub kind: String,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Debug for Workerd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workerd").field("port", &self.port).finish_non_exhaustive()
    }
}

fn wasm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm")
}

/// The program itself, not the script around it: what is killed has to be the server.
fn workerd() -> PathBuf {
    let packages = wasm().join("node_modules/@cloudflare");
    let found = fs::read_dir(&packages)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|package| package.path().join("bin/workerd"));
    found.into_iter().find(|program| program.is_file()).unwrap_or_else(|| packages.join("workerd-*/bin/workerd"))
}

/// Starts workerd on this port, or on a free one if 0, and waits until it serves.
fn spawn(folder: &Path, port: u16) -> (Child, u16) {
    let program = workerd();
    let mut child = Command::new(&program)
        .args(["serve", "--experimental", "--control-fd=1"])
        .arg(format!("--socket-addr=http=127.0.0.1:{port}"))
        .arg(folder.join("config.capnp"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; `tests/run edge` installs it", program.display()));
    let said = BufReader::new(child.stdout.take().expect("it is piped"));
    let port = said.lines().map_while(Result::ok).find_map(|line| {
        let said: Value = serde_json::from_str(&line).ok()?;
        (said["event"] == "listen").then(|| said["port"].as_u64()).flatten()
    });
    let port = port.and_then(|port| u16::try_from(port).ok()).expect("workerd says where it listens");
    (child, port)
}
