//! Where the examples' programs are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The features of this package, and whether this test was built with them.
const FEATURES: [(&str, bool); 14] = [
    ("async-std", cfg!(feature = "async-std")),
    ("etcd", cfg!(feature = "etcd")),
    ("http", cfg!(feature = "http")),
    ("mysql", cfg!(feature = "mysql")),
    ("nats", cfg!(feature = "nats")),
    ("objects", cfg!(feature = "objects")),
    ("postgres", cfg!(feature = "postgres")),
    ("prometheus", cfg!(feature = "prometheus")),
    ("redis", cfg!(feature = "redis")),
    ("registers", cfg!(feature = "registers")),
    ("scheduler", cfg!(feature = "scheduler")),
    ("sidecar", cfg!(feature = "sidecar")),
    ("tokio", cfg!(feature = "tokio")),
    ("web", cfg!(feature = "web")),
];

/// The program of an example. `cargo test` with one test's name alone would not build it: this does, unless
/// `LESSOR_EXAMPLES` is the folder in which they all are.
pub(crate) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| env::var_os("LESSOR_EXAMPLES").map_or_else(build, PathBuf::from))
        .join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// All examples, as this test was built: with its profile, its features and in its folder, so that little is built
/// twice.
fn build() -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile_folder = test.parent().and_then(Path::parent).unwrap();
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()).unwrap() {
        "debug" => "dev",
        other => other,
    };
    let features: Vec<_> = FEATURES.iter().filter(|(_, on)| *on).map(|(feature, _)| *feature).collect();
    let mut build = Command::new(env!("CARGO"));
    // What this test's own cargo has told it: build scripts that look at it would run anew, each time.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| told(&name.to_string_lossy())) {
        build.env_remove(name);
    }
    let built = build
        .args(["build", "--quiet", "--examples", "--features", &features.join(","), "--profile", profile])
        .arg("--target-dir")
        .arg(profile_folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    profile_folder.join("examples")
}
