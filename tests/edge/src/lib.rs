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
use std::time::Duration;

use lessor_served::Config;
use serde_json::Value;
use tempfile::TempDir;

mod browser;
mod bucket;
mod files;
mod native;
mod proxy;
mod wrangler;

pub use browser::Browser;
pub use bucket::{Bucket, SECRET};
pub use files::Files;
pub use lessor_served::{
    ADMIN, Answer, CANDIDATE, NEXT, READER, Server, Socket, TEAM, call, median, pause, timed, until,
};
pub use native::Native;
pub use proxy::{Event, Proxy};
pub use wrangler::{Dev, wrangler};

/// A Worker: its modules, the entry first, and its classes, by their bindings.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    modules: &'static [&'static str],
    classes: &'static [(&'static str, &'static str)],
    /// Whether another Worker stands before it that can trigger its schedule: `POST /cron/MS`.
    scheduled: bool,
}

/// The lease service as it is deployed.
pub const SERVICE: Worker = Worker {
    modules: &[
        "wasm/worker.js",
        "wasm/js/body.js",
        "wasm/js/objects.js",
        "wasm/js/restarting.js",
        "wasm/js/service.js",
        "wasm/js/tokens.js",
        "wasm/page.html",
        "wasm/build/module.js",
        "wasm/build/module_bg.wasm",
    ],
    classes: &[("LEASES", "LeaseObject"), ("WATCH", "WatchObject")],
    scheduled: false,
};

/// The same, where nobody is told of changes, and nobody keeps a list.
pub const UNWATCHED: Worker = Worker { classes: &[("LEASES", "LeaseObject")], ..SERVICE };

/// The same with faults that can be planted, and candidates.
pub const TESTS: Worker = Worker {
    modules: &[
        "tests/edge/worker/worker.js",
        "tests/edge/worker/planted.js",
        "wasm/js/body.js",
        "wasm/js/objects.js",
        "wasm/js/service.js",
        "wasm/js/tokens.js",
        "tests/edge/worker/build/index.js",
        "tests/edge/worker/build/index_bg.wasm",
    ],
    classes: &[("LEASES", "LeaseObject"), ("WATCH", "WatchObject"), ("CANDIDATES", "Candidate"), ("MANY", "Many")],
    scheduled: false,
};

/// The same by a module that is made as the service's own, with candidates in JavaScript.
pub const FAULTY: Worker = Worker {
    modules: &[
        "tests/edge/worker/own/worker.js",
        "tests/edge/worker/own/candidate.js",
        "tests/edge/worker/planted.js",
        "wasm/js/body.js",
        "wasm/js/campaign.js",
        "wasm/js/objects.js",
        "wasm/js/restarting.js",
        "wasm/js/service.js",
        "wasm/js/tokens.js",
        "tests/edge/worker/own/build/module.js",
        "tests/edge/worker/own/build/module_bg.wasm",
    ],
    classes: &[("LEASES", "LeaseObject"), ("WATCH", "WatchObject"), ("CANDIDATES", "Candidate")],
    scheduled: false,
};

/// The example of a nightly job.
pub const NIGHTLY: Worker = Worker {
    modules: &[
        "wasm/examples/nightly/worker.js",
        "wasm/js/objects.js",
        "wasm/examples/nightly/build/index.js",
        "wasm/examples/nightly/build/index_bg.wasm",
    ],
    classes: &[("LEASES", "LeaseObject"), ("REGIONS", "Region"), ("REPORT", "Report")],
    scheduled: true,
};

/// The example of a job of a cron trigger over a bucket.
pub const BUCKET: Worker = Worker {
    modules: &["wasm/examples/bucket/build/index.js", "wasm/examples/bucket/build/index_bg.wasm"],
    classes: &[],
    scheduled: true,
};

/// A Worker with the npm package.
pub const PACKAGED: Worker = Worker {
    modules: &["tests/edge/npm/build/worker.js", "tests/edge/npm/build/lessor_bg.wasm"],
    classes: &[],
    scheduled: false,
};

/// Renewals in plain JavaScript, to compare with.
pub const REFERENCE: Worker =
    Worker { modules: &["tests/edge/reference/worker.js"], classes: &[("LEASES", "LeaseObject")], scheduled: false };

const CRON: &str = r#"export default {
  async fetch(request, env) {
    const time = /\/cron\/(\d+)$/.exec(request.url)?.[1];
    if (!time) return env.MAIN.fetch(request);
    await env.MAIN.scheduled({ scheduledTime: new Date(+time), cron: "0 2 * * *" });
    return new Response();
  },
};"#;

/// What a Worker is configured with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which one.
    pub worker: Worker,
    /// The secret of that name; `None`: it is not set.
    pub tokens: Option<String>,
    /// Variables.
    pub vars: Vec<(&'static str, String)>,
    /// The port of its [`Bucket`], if it has one: the binding `BUCKET`.
    pub bucket: Option<u16>,
    /// What stands in its modules, and what stands there instead: for what would take a day.
    pub changed: Vec<(&'static str, &'static str)>,
}

impl Default for Setting {
    /// The service with all tokens, and ttls from 100 ms on so that tests need not wait long.
    fn default() -> Self {
        Self::of(SERVICE)
    }
}

impl Setting {
    /// Another Worker with the same settings.
    pub fn of(worker: Worker) -> Self {
        let Config { tokens, vars } = Config::default();
        Self { worker, tokens, vars, bucket: None, changed: Vec::new() }
    }

    /// The configuration of workerd.
    fn config(&self) -> String {
        let variables = self.tokens.iter().map(|tokens| ("LESSOR_TOKENS", tokens));
        let variables = variables.chain(self.vars.iter().map(|(name, value)| (*name, value)));
        let text =
            |(name, value): (&str, &String)| format!("(name = {name:?}, text = {}),", Value::from(value.as_str()));
        let classes = self.worker.classes.iter();
        let binding = |(name, class): &(&str, &str)| format!("(name = {name:?}, durableObjectNamespace = {class:?}),");
        let namespace = |(_, class): &(&str, &str)| {
            format!("(className = {class:?}, uniqueKey = \"lessor-{class}\", enableSql = true),")
        };
        let module = |name: &&str| {
            let kind = match name.rsplit('.').next() {
                Some("wasm") => "wasm",
                Some("html") => "text",
                _ => "esModule",
            };
            format!("(name = {name:?}, {kind} = embed {name:?}),")
        };
        let bucket = self.bucket.map(|port| {
            let service = format!("(name = \"bucket\", external = (address = \"127.0.0.1:{port}\", http = ())),");
            (service, "(name = \"BUCKET\", r2Bucket = \"bucket\"),")
        });
        let (bucket, bound) = bucket.unwrap_or_default();
        format!(
            "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (
  services = [(name = \"main\", worker = .worker), (name = \"cron\", worker = .cron), {bucket}
    (name = \"state\", disk = (path = \"state\", writable = true)),
    (name = \"internet\", network = (allow = [\"private\"]))],
  sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"{front}\")],
);
const worker :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = \"2026-11-01\",
  bindings = [{variables}{bindings}{bound}],
  durableObjectNamespaces = [{namespaces}],
  durableObjectStorage = (localDisk = \"state\"),
);
const cron :Workerd.Worker = (
  modules = [(name = \"cron.js\", esModule = {cron})],
  compatibilityDate = \"2026-11-01\",
  compatibilityFlags = [\"service_binding_extra_handlers\"],
  bindings = [(name = \"MAIN\", service = \"main\")],
);
",
            front = if self.worker.scheduled { "cron" } else { "main" },
            modules = self.worker.modules.iter().map(module).collect::<String>(),
            variables = variables.map(text).collect::<String>(),
            bindings = classes.clone().map(binding).collect::<String>(),
            namespaces = classes.map(namespace).collect::<String>(),
            cron = Value::from(CRON),
        )
    }
}

/// A running Worker.
pub struct Workerd {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Workerd {
    /// Starts one, with nothing in its storage.
    pub fn start(setting: &Setting) -> Self {
        Self::run(setting.worker.modules.iter().copied(), &setting.config(), &setting.changed)
    }

    /// Starts one with these files of the project, changed so.
    fn run<'a>(
        files: impl IntoIterator<Item = &'a str> + Clone,
        config: &str,
        changed: &[(&'static str, &'static str)],
    ) -> Self {
        // In memory where there is such a place: it is not the disk that is tested.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("state")).expect("a folder can be made");
        for name in files.clone() {
            let copy = folder.path().join(name);
            fs::create_dir_all(copy.parent().expect("it is in a folder")).expect("a folder can be made");
            fs::copy(root().join(name), copy)
                .unwrap_or_else(|error| panic!("{name}: {error}; `tests/run edge` builds it"));
        }
        for (before, after) in changed {
            let has = |name: &&str| name.ends_with(".js") && read(folder.path(), name).contains(before);
            let name = files.clone().into_iter().find(has).unwrap_or_else(|| panic!("nowhere: {before}"));
            let text = read(folder.path(), name).replace(before, after);
            fs::write(folder.path().join(name), text).expect("it can be changed");
        }
        fs::write(folder.path().join("config.capnp"), config).expect("the configuration can be written");
        let (child, port) = spawn(folder.path(), 0);
        Self { child, port, folder }
    }

    /// Where its storage is.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> Duration {
        // Fields 14 and 15, in hundredths of a second, after a name that may have spaces (proc(5)).
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs on Linux");
        let fields = stat.rsplit(')').next().into_iter().flat_map(str::split_whitespace).skip(11).take(2);
        Duration::from_millis(fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10)
    }

    /// A proxy before it.
    pub fn proxy(&self) -> Proxy {
        Proxy::start(self.port)
    }

    /// Ends the process at once, without a word, and starts another one on the same port with the same state.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        (self.child, self.port) = spawn(self.folder.path(), self.port);
    }

    /// The same with other settings, of the same Worker.
    pub fn restart_with(&mut self, setting: &Setting) {
        fs::write(self.folder.path().join("config.capnp"), setting.config()).expect("the configuration can be written");
        self.kill_and_restart();
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        // It ignores gentler signals while a request hangs.
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// An answer to a request that may be anything.
    pub fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Answer {
        call(&self.url(), method, path, token, body)
    }
}

impl Server for Workerd {
    fn url(&self) -> String {
        self.url()
    }

    fn kill_and_restart(&mut self) {
        self.kill_and_restart();
    }
}

/// The service, as those tests start it that are for other servers, too.
pub fn start(config: &Config) -> Box<dyn Server> {
    let Config { tokens, vars } = config.clone();
    Box::new(Workerd::start(&Setting { tokens, vars, ..Setting::default() }))
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

/// The folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies deep").to_owned()
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("it was copied")
}

/// The program itself, not the script around it: what is killed has to be the server.
fn workerd() -> PathBuf {
    let packages = root().join("wasm/node_modules/@cloudflare");
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
