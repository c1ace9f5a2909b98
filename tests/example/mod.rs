//! Where the examples' programs are.

use std::env;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

/// The program of an example. `cargo test` with one test's name alone would not build it.
pub(crate) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let profile_folder = test.parent().and_then(Path::parent).unwrap();
        let profile = match profile_folder.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut build = process::Command::new(env!("CARGO"));
        // What this test's own cargo has told it: build scripts that look at it would run anew, each time.
        let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in env::vars_os().filter(|(name, _)| told(&name.to_string_lossy())) {
            build.env_remove(name);
        }
        // As this test was built, so that nothing is built twice.
        let features: &[_] = if cfg!(feature = "js") { &["--all-features"] } else { &[] };
        let built = build
            .arg("build")
            .args(features)
            .args(["--quiet", "--examples", "--profile", profile, "--target-dir"])
            .arg(profile_folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success());
        profile_folder.join("examples")
    });
    folder.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
