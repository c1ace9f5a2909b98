//! What a user does: the ordinary toolchain builds, runs and would deploy the Worker.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lessor_edge_tests::{Answer, Dev, call, root, wrangler};

fn wasm() -> PathBuf {
    root().join("wasm")
}

/// Both build the module into the same folder, one after the other.
static BUILD: Mutex<()> = Mutex::new(());

/// It would be deployed, and is small.
#[test]
fn deploys() {
    let _one = BUILD.lock();
    let folder = tempfile::tempdir().unwrap();
    let output =
        wrangler(&wasm(), &["deploy", "--dry-run", "--outdir", folder.path().to_str().unwrap()]).output().unwrap();
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

/// It runs on the developer's machine, with the secrets of the example.
#[test]
fn runs_locally() {
    let one = BUILD.lock();
    let state = tempfile::tempdir().unwrap();
    let secrets = fs::read_to_string(root().join("wasm/.dev.vars.example")).unwrap();
    let token = secrets.split("\"token\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let persist = ["--persist-to", state.path().to_str().unwrap(), "--env-file", ".dev.vars.example"];
    let dev = Dev::start(&wasm(), &persist);
    drop(one);
    let claim = "{\"id\": \"a\", \"session\": \"000102030405060708090a0b0c0d0e0f\", \"ttl_ms\": 30000}";
    let Answer { status, text, .. } = call(dev.url(), "POST", "/v1/keys/k/acquire", Some(token), Some(claim));
    assert_eq!((status, text.as_str()), (200, "{\"granted\":{\"term\":1,\"version\":1}}"));
    assert!(Path::new(state.path()).read_dir().unwrap().next().is_some());
}
