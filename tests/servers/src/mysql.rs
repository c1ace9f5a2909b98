//! A MariaDB server of one's own, in a temporary folder.

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
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode};
use sqlx::{Connection, MySqlConnection};
use tempfile::TempDir;

use crate::folder::own_folder;
use crate::{family, template};

const PATIENCE: Duration = Duration::from_secs(60);

/// How its first data is made.
const FIRST: [&str; 5] = [
    "--no-defaults",
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    "--innodb-flush-method=nosync",
    "--innodb-log-file-size=4M",
];

/// Its user `lessor` may do everything.
pub const USER: &str = "lessor";

/// That user's password.
pub const PASSWORD: &str = "s3cret-of-the-tests";

/// The database that it has.
pub const DATABASE: &str = "lessor";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    user: Option<(u32, u32)>,
    settings: Vec<String>,
    time_zone: Option<String>,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Makes a new database and starts its server.
    ///
    /// It does not flush to the disk: a killed process loses nothing by that, only a power failure does.
    ///
    /// # Panics
    /// If there is no MariaDB on this machine, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[], None)
    }

    /// As [`start`](Self::start), with options of the command line, and in a time zone of its own.
    ///
    /// # Panics
    /// If there is no MariaDB on this machine, or it does not start.
    #[must_use]
    pub fn start_with(settings: &[&str], time_zone: Option<&str>) -> Self {
        Self::make(settings, time_zone, &[])
    }

    /// As [`start`](Self::start), for connections under TLS too, with a certificate and its key as PEM.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with_tls(certificate: &str, key: &str) -> Self {
        // Both are looked for in the folder of the data.
        Self::make(&["--ssl-cert=tls.crt", "--ssl-key=tls.key"], None, &[("tls.crt", certificate), ("tls.key", key)])
    }

    /// With files in its own folder, which only the server reads.
    fn make(settings: &[&str], time_zone: Option<&str>, files: &[(&str, &str)]) -> Self {
        let folder = own_folder();
        // Root does not run it, and lets Debian's user do so.
        let user = rustix::process::geteuid().is_root().then(debians_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("a folder for the user mysql");
        }
        let settings = settings.iter().map(|setting| String::from(*setting)).collect();
        let time_zone = time_zone.map(String::from);
        let process = Mutex::new(None);
        let server = Self { folder, port: crate::free_port(), user, settings, time_zone, process };
        template::fill(&server.path("data"), &binary("mariadbd"), &FIRST, || {
            let made = server
                .command("mariadb-install-db")
                .args(FIRST)
                .arg(format!("--datadir={}", server.path("data").display()))
                .output()
                .expect("mariadb-install-db runs");
            assert!(made.status.success(), "mariadb-install-db makes a database: {made:?}");
        });
        let first = format!(
            "CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO {USER}@'%' WITH GRANT OPTION;\nCREATE DATABASE IF NOT EXISTS {DATABASE};\n"
        );
        fs::write(server.path("first.sql"), first).expect("a file with the first statements");
        for (name, content) in files {
            let path = server.path("data").join(name);
            fs::write(&path, content).expect("a file for the server");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of one's own");
            if let Some((uid, gid)) = user {
                chown(&path, Some(uid), Some(gid)).expect("a file for the user mysql");
            }
        }
        server.run();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(self::binary(binary));
        command.current_dir("/").stdin(Stdio::null()).env_remove("TZ").env("TMPDIR", self.folder.path());
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
            let waited = timer.now().saturating_duration_since(started);
            let ended = process.try_wait().is_ok_and(|ended| ended.is_some());
            assert!(waited < PATIENCE && !ended, "the server does not answer:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(20)));
        }
        *self.process.lock().expect("no test panicked here") = Some(process);
    }

    fn spawn(&self) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).expect("a file for the log");
        let mut command = self.command("mariadbd");
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.path("data").display()))
            .arg(format!("--socket={}", self.path("socket").display()))
            .arg(format!("--pid-file={}", self.path("pid").display()))
            .arg(format!("--init-file={}", self.path("first.sql").display()))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=200"])
            .args(["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2"])
            .args(["--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M"])
            .args(&self.settings);
        if let Some(time_zone) = &self.time_zone {
            command.env("TZ", time_zone);
        }
        command.stdout(log.try_clone().expect("the log twice")).stderr(log);
        command.spawn().expect("mariadbd runs")
    }

    fn answers(&self) -> bool {
        block_on(MySqlConnection::connect_with(&self.options())).is_ok()
    }

    /// Kills the server, as a crash does, and starts it again on the same data.
    ///
    /// # Panics
    /// If it does not start.
    pub fn crash(&self) {
        self.stop();
        self.run();
    }

    /// Kills the server. It can be started again with [`crash`](Self::crash).
    pub fn stop(&self) {
        self.end(Signal::KILL);
    }

    /// The server stands still, and its clients wait.
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
        // One that is paused hears nothing else.
        self.running(family::resume);
        let Some(mut process) = self.process.lock().ok().and_then(|mut process| process.take()) else { return };
        let _ = kill_process(Pid::from_child(&process), signal);
        let _ = process.wait();
    }

    /// Where it listens, on the loopback interface.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How to connect, as the user who may do everything.
    #[must_use]
    pub fn options(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username(USER)
            .password(PASSWORD)
            .database(DATABASE)
            .ssl_mode(MySqlSslMode::Disabled)
    }

    /// [`options`](Self::options) as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// A pool of so many connections. It connects when it is used.
    #[must_use]
    pub fn pool(&self, connections: u32) -> MySqlPool {
        pool(self.options(), connections)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data goes with it: nothing has to be brought to an end.
        self.end(Signal::KILL);
    }
}

/// A pool of so many connections. It connects when it is used.
#[must_use]
pub fn pool(options: MySqlConnectOptions, connections: u32) -> MySqlPool {
    MySqlPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).connect_lazy_with(options)
}

/// Where Debian and others have it.
fn binary(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.expect("MariaDB is not installed: `tests/run storages` installs it")
}

fn debians_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mysql = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("mysql:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    mysql.expect("there is no user mysql: `tests/run storages` installs MariaDB, and Debian adds the user")
}
