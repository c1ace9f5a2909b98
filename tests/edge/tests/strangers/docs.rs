//! What stands in the docs, and is packed for the registries, in a folder of a stranger's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lessor_edge_tests::root;

/// Runs a program in this folder: what it says.
pub(crate) fn run(folder: &Path, program: impl AsRef<Path>, args: &[&str]) -> String {
    let program = program.as_ref();
    let said = Command::new(program).args(args).current_dir(folder).output();
    let said = said.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{} {args:?}: {text}", program.display());
    text
}

pub(crate) fn installed(file: &str) -> PathBuf {
    let file = root().join("tests/edge/node_modules").join(file);
    assert!(file.exists(), "{}: `tests/run edge` installs it", file.display());
    file
}

/// The npm package in this folder, as a registry would have it.
pub(crate) fn install(folder: &Path) {
    let package = root().join("target/npm");
    assert!(
        package.join("cloudflare/modules/campaign/module.js").is_file(),
        "`tests/run edge` builds {}",
        package.display()
    );
    run(folder, "npm", &["pack", "--silent", package.to_str().unwrap()]);
    fs::write(folder.join("package.json"), "{\"private\": true, \"type\": \"module\"}").unwrap();
    run(folder, "npm", &["install", "--offline", "--no-audit", "--no-fund", "./lessor-0.1.0.tgz"]);
}

/// The blocks of a page of the docs that name a file in their first line, in these files.
pub(crate) fn write_blocks(page: &str, folder: &Path) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (_, block) = block.split_once('\n').unwrap();
        let first = block.lines().next().unwrap_or_default();
        let name = first.trim_start_matches(['/', '#', '<', '!', '-', ' ']).trim_end_matches([' ', '-', '>']);
        if first != name && name.contains('.') && !name.contains(' ') {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, block).unwrap();
        }
    }
}
