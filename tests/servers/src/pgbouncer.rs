//! A connection pooler before a PostgreSQL server, in a temporary folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::executor::block_on;
use lessor::{SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::folder::own_folder;
use crate::postgres::{PASSWORD, Server, debians_user};

const PATIENCE: Duration = Duration::from_secs(60);

/// For how long a client has one of the server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// As long as it is connected.
    Session,
    /// For each transaction anew.
    Transaction,
}

/// A running PgBouncer. It ends when this is dropped.
#[derive(Debug)]
pub struct PgBouncer<'server> {
    server: &'server Server,
    folder: TempDir,
    port: u16,
    process: Child,
}

impl<'server> PgBouncer<'server> {
    /// Starts one before this server, with at most so many connections to it.
    ///
    /// # Panics
    /// If there is no PgBouncer on this machine, or it does not start.
    #[must_use]
    pub fn start(server: &'server Server, mode: PoolMode, connections: u32) -> Self {
        let (folder, port) = (own_folder(), crate::free_port());
        let mode = if mode == PoolMode::Session { "session" } else { "transaction" };
        // It lets in whoever comes. Of all other settings it has those of its manufacturer: it takes no parameter that it does not know.
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} user=postgres password={PASSWORD}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             default_pool_size = {connections}\n",
            server.port()
        );
        let path = folder.path().join("pgbouncer.ini");
        fs::write(&path, settings).expect("a file with the settings");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of one's own");
        let mut command = Command::new(binary());
        // Root may not run it, and lets Debian's user do so.
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = debians_user();
            for path in [folder.path(), &path] {
                chown(path, Some(uid), Some(gid)).expect("a folder for the user postgres");
            }
            command.uid(uid).gid(gid);
        }
        command.arg(&path).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        let log = fs::File::create(folder.path().join("log")).expect("a file for the log");
        let process = command.stderr(log).spawn().expect("pgbouncer runs");
        let mut pooler = Self { server, folder, port, process };
        pooler.wait();
        pooler
    }

    fn wait(&mut self) {
        let timer = SystemTimer::new();
        let started = timer.now();
        while block_on(PgConnection::connect_with(&self.options().extra_float_digits(None))).is_err() {
            let waited = timer.now().saturating_duration_since(started);
            let ended = self.process.try_wait().is_ok_and(|ended| ended.is_some());
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(waited < PATIENCE && !ended, "the pooler does not answer:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(20)));
        }
    }

    /// How to connect through it.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.server.options().port(self.port)
    }
}

impl Drop for PgBouncer<'_> {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

/// Where Debian and others have it.
fn binary() -> &'static Path {
    let folders = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = folders.into_iter().map(Path::new).find(|path| path.is_file());
    found.expect("PgBouncer is not installed: `tests/run storages` installs it")
}
