//! A PostgreSQL server of one's own, in a temporary folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::folder::own_folder;
use crate::{family, template};

const PATIENCE: Duration = Duration::from_secs(60);

/// How its first data is made.
const FIRST: [&str; 6] = [
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--username=postgres",
    "--no-sync",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
];

/// The password of its superuser, for connections over TCP.
pub const PASSWORD: &str = "s3cret-of-the-tests";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    binaries: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
    settings: Vec<String>,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Makes a new database and starts its server.
    ///
    /// It does not flush to the disk: a killed process loses nothing by that, only a power failure does.
    ///
    /// # Panics
    /// If there is no PostgreSQL on this machine, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// As [`start`](Self::start), with settings of your own (`name=value`).
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(settings: &[&str]) -> Self {
        Self::make(settings, &[])
    }

    /// As [`start`](Self::start), for connections under TLS too, with a certificate and its key as PEM.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with_tls(certificate: &str, key: &str) -> Self {
        let settings = ["ssl=on", "ssl_cert_file=tls.crt", "ssl_key_file=tls.key"];
        Self::make(&settings, &[("tls.crt", certificate), ("tls.key", key)])
    }

    /// With files in its own folder, which only the server reads.
    fn make(settings: &[&str], files: &[(&str, &str)]) -> Self {
        let binaries = binaries();
        let folder = own_folder();
        // Whoever is root cannot run it, and lets Debian's user do so.
        let user = rustix::process::geteuid().is_root().then(debians_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("a folder for the user postgres");
        }
        let settings = settings.iter().map(ToString::to_string).collect();
        let server = Self { folder, binaries, port: crate::free_port(), user, settings, process: Mutex::new(None) };
        let settings = [&FIRST[..], &[PASSWORD]].concat();
        template::fill(&server.path("data"), &server.binaries.join("postgres"), &settings, || {
            let password = server.path("password");
            fs::write(&password, PASSWORD).expect("a file with the password");
            let made = server
                .command("initdb")
                .args(FIRST)
                .arg("-D")
                .arg(server.path("data"))
                .arg("--pwfile")
                .arg(&password)
                .stdout(Stdio::null())
                .status()
                .expect("initdb runs");
            assert!(made.success(), "initdb makes a database");
        });
        for (name, content) in files {
            let path = server.path("data").join(name);
            fs::write(&path, content).expect("a file for the server");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of one's own");
            if let Some((uid, gid)) = user {
                chown(&path, Some(uid), Some(gid)).expect("a file for the user postgres");
            }
        }
        server.run();
        server
    }

    /// An asynchronous standby of this server, which is restarted for that: its connections end.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn standby(&self) -> Self {
        let folder = own_folder();
        if let Some((uid, gid)) = self.user {
            chown(folder.path(), Some(uid), Some(gid)).expect("a folder for the user postgres");
        }
        let Self { binaries, user, settings, .. } = self;
        let (binaries, user, settings) = (binaries.clone(), *user, settings.clone());
        let standby = Self { folder, binaries, port: crate::free_port(), user, settings, process: Mutex::new(None) };
        self.end(Signal::INT);
        let copied = Command::new("cp").arg("-a").args([self.path("data"), standby.path("data")]).status();
        assert!(copied.is_ok_and(|copied| copied.success()), "cp copies the server");
        self.run();
        let source = format!("host={} port={} user=postgres", self.folder.path().display(), self.port);
        for (name, content) in
            [("standby.signal", String::new()), ("postgresql.auto.conf", format!("primary_conninfo = '{source}'\n"))]
        {
            let path = standby.path("data").join(name);
            fs::write(&path, content).expect("a file for the server");
            if let Some((uid, gid)) = user {
                chown(&path, Some(uid), Some(gid)).expect("a file for the user postgres");
            }
        }
        standby.run();
        standby
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(self.binaries.join(binary));
        command.current_dir("/").stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn run(&self) {
        let timer = SystemTimer::new();
        let started = timer.now();
        let mut process = self.spawn();
        while !self.answers() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(
                timer.now().saturating_duration_since(started) < PATIENCE,
                "the server does not answer:\n{}",
                log()
            );
            block_on(timer.sleep(Duration::from_millis(20)));
            // Beside what is left of one that was killed it does not start.
            if process.try_wait().is_ok_and(|ended| ended.is_some()) {
                process = self.spawn();
            }
        }
        *self.process.lock().expect("no test panicked here") = Some(process);
    }

    fn spawn(&self) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).expect("a file for the log");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.path("data")).arg("-k").arg(self.folder.path());
        let port = format!("port={}", self.port);
        let standard =
            ["listen_addresses=127.0.0.1", "fsync=off", "autovacuum=off", "max_connections=200", "shared_buffers=32MB"];
        for setting in [port.as_str()].into_iter().chain(standard).chain(self.settings.iter().map(String::as_str)) {
            command.arg("-c").arg(setting);
        }
        command.stdout(log.try_clone().expect("the log twice")).stderr(log);
        command.spawn().expect("postgres runs")
    }

    fn answers(&self) -> bool {
        block_on(PgConnection::connect_with(&self.options())).is_ok()
    }

    /// Kills the server and all its processes at once, as a crash does, and starts it again on the same data.
    ///
    /// # Panics
    /// If it does not start.
    pub fn crash(&self) {
        self.stop();
        self.run();
    }

    /// Kills the server and all its processes. It can be started again with [`crash`](Self::crash).
    pub fn stop(&self) {
        self.end(Signal::KILL);
    }

    /// The server stands still with all its processes, and its clients wait.
    pub fn pause(&self) {
        self.running(family::pause);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.running(family::resume);
    }

    fn running(&self, act: impl FnOnce(&Child)) {
        if let Some(process) = self.process.lock().ok().as_ref().and_then(|process| process.as_ref()) {
            act(process);
        }
    }

    fn end(&self, signal: Signal) {
        if signal == Signal::KILL {
            // Each connection has a process of its own, and a new server refuses to start beside one of them.
            self.running(family::kill_children);
        } else {
            // One that is paused hears nothing.
            self.resume();
        }
        let Some(mut server) = self.process.lock().ok().and_then(|mut process| process.take()) else { return };
        let _ = kill_process(Pid::from_child(&server), signal);
        let _ = server.wait();
    }

    /// Its port on the loopback interface.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How to connect, as superuser.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .password(PASSWORD)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
    }

    /// [`options`](Self::options) as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// A pool of so many connections. It connects when it is used.
    #[must_use]
    pub fn pool(&self, connections: u32) -> PgPool {
        pool(self.options(), connections)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fast shutdown: it ends its connections itself.
        self.end(Signal::INT);
    }
}

/// A pool of so many connections. It connects when it is used.
#[must_use]
pub fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).connect_lazy_with(options)
}

/// Where Debian and others have them.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = debian.chain(std::env::split_paths(&path)).collect();
    folders.sort();
    let has_server = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    folders.into_iter().rfind(has_server).expect("PostgreSQL is not installed: `tests/run storages` installs it")
}

pub(crate) fn debians_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let postgres = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    postgres.expect("there is no user postgres: `tests/run storages` installs PostgreSQL, and Debian adds the user")
}
