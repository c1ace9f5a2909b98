//! `lessor serve` over a file, which can be killed and stopped.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use lessor_servers::free_port;
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::contenders::send;
use crate::process::until;

const TOKEN: &str = "token-of-the-contenders";

pub(crate) struct Service {
    child: Mutex<Child>,
    folder: TempDir,
    port: u16,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let service = Self { child: Mutex::new(spawn(&folder, port)), folder, port };
        until("it serves", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        service
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{TOKEN}@127.0.0.1:{}", self.port)
    }

    /// It is there again at once, with what its file has.
    pub(crate) fn crash(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        *child = spawn(&self.folder, self.port);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(Pid::from_child(&self.child.lock().unwrap()), signal);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(folder: &TempDir, port: u16) -> Child {
    let tokens = format!(r#"[{{"token": "{TOKEN}", "role": "candidate"}}]"#);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
    command.args(["serve", "--log", "off", "--min-ttl-ms", "100", "--listen", &format!("127.0.0.1:{port}")]);
    command.env("LESSOR_STORAGE", folder.path().join("leases.db")).env("LESSOR_TOKENS", tokens);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
