//! Where mutants are made: one workspace, with benches that each hold a copy of the library and a simulator on it.
//!
//! A bench takes one mutant after the other, and what the compiler did for the last one it need not do again: most of
//! the library is the same, and all of the simulator.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use super::faults::{Edit, Mutant};

/// Mutants are compiled in a hurry, as most of them fall within a few runs.
const PROFILE: &str = r#"
[profile.simulation]
inherits = "release"
opt-level = 0
incremental = true
debug = false
strip = true
debug-assertions = true
overflow-checks = true

[profile.simulation.package."*"]
opt-level = 2
"#;

/// The folder keeps its place and its unchanged files, so that a second build has little to do.
pub(crate) struct Workshop {
    repository: PathBuf,
    folder: PathBuf,
    benches: usize,
}

impl Workshop {
    /// With room for so many mutants at a time.
    pub(crate) fn open(benches: usize) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self {
            repository: repository.canonicalize().expect("the simulator lies in the repository"),
            folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"),
            benches,
        }
    }

    /// The mutants whose edits do not fit are named in the error.
    pub(crate) fn check(&self, mutants: &[&Mutant]) -> Result<(), String> {
        let complaints: Vec<_> = mutants.iter().filter_map(|mutant| self.sources(mutant).err()).collect();
        if complaints.is_empty() { Ok(()) } else { Err(complaints.concat()) }
    }

    /// The benches, with no mutant on any of them yet.
    pub(crate) fn set_up(&self) -> Result<(), String> {
        let root = self.read("Cargo.toml");
        let simulation = self.read("tests/simulation/Cargo.toml");
        let mut members = String::new();
        for bench in 0..self.benches {
            let _ = writeln!(members, "    \"library/{bench}\",\n    \"simulation/{bench}\",");
            self.write(&format!("library/{bench}/Cargo.toml"), &library_manifest(&root, bench)?);
            self.write(&format!("simulation/{bench}/Cargo.toml"), &self.simulation_manifest(&simulation, bench)?);
        }
        let shared = sections(&root, |section| section.starts_with("[workspace.package"));
        let workspace = format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n{shared}{PROFILE}");
        self.write("Cargo.toml", &workspace);
        // What cargo adds to it are only the copies: the versions stay.
        fs::copy(self.repository.join("Cargo.lock"), self.folder.join("Cargo.lock")).expect("Cargo.lock can be copied");
        let finished = self.folder.join("finished");
        let _ = fs::remove_dir_all(&finished);
        fs::create_dir_all(&finished).expect("a folder for simulators");
        Ok(())
    }

    /// Builds the simulator on each of these mutants, at most one a bench, and says where it is.
    pub(crate) fn build(&self, mutants: &[&Mutant]) -> Result<Vec<PathBuf>, String> {
        for bench in 0..self.benches {
            // There may be fewer of them in the end: the last mutant stays where it is.
            if let Some(mutant) = mutants.get(bench).or_else(|| mutants.last()) {
                self.plant(&format!("library/{bench}"), &self.sources(mutant)?);
            }
        }
        self.cargo()?;
        let built = mutants.iter().enumerate().map(|(bench, mutant)| {
            let built = self.target().join("simulation").join(format!("simulation-{bench}{}", env::consts::EXE_SUFFIX));
            let finished = self.folder.join("finished").join(mutant.name);
            fs::copy(&built, &finished).map(|_| finished).map_err(|error| format!("{}: {error}", built.display()))
        });
        built.collect()
    }

    /// Where the results go.
    pub(crate) fn table(&self) -> PathBuf {
        self.folder.join("table.md")
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn cargo(&self) -> Result<(), String> {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--workspace", "--bins", "--profile", "simulation", "--target-dir"])
            .arg(self.target())
            .current_dir(&self.folder)
            // A mutant leaves things unused.
            .env("RUSTFLAGS", "--cap-lints allow")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("CARGO_INCREMENTAL")
            .output()
            .expect("cargo can be run");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// The library's files, by their places in the repository.
    fn library(&self) -> Vec<(String, String)> {
        files(&self.repository.join("src"))
            .into_iter()
            .map(|file| {
                let place = file.strip_prefix(&self.repository).expect("it was found there");
                let place = place.to_str().expect("names of source files are text").replace('\\', "/");
                let text = self.read(&place);
                (place, text)
            })
            .collect()
    }

    /// The library's files with this fault.
    fn sources(&self, mutant: &Mutant) -> Result<Vec<(String, String)>, String> {
        let mut sources = self.library();
        let mut complaints = String::new();
        for Edit { file, find, replace } in mutant.edits {
            let text = sources.iter_mut().find(|(place, _)| place == file).map(|(_, text)| text);
            let edited = match text {
                Some(text) => replace_once(text, find, replace).map(|edited| *text = edited),
                None => Err("no such file".to_owned()),
            };
            if let Err(complaint) = edited {
                let _ = writeln!(complaints, "{}: {file}: {complaint}", mutant.name);
            }
        }
        if complaints.is_empty() { Ok(sources) } else { Err(complaints) }
    }

    /// The simulator needs no copy, only another library under the same name.
    fn simulation_manifest(&self, manifest: &str, bench: usize) -> Result<String, String> {
        let manifest = sections(manifest, |section| section == "[package]" || section == "[dependencies]");
        let package = format!("name = \"simulation-{bench}\"");
        let manifest = replace_once(&manifest, "name = \"lessor-simulation\"", &package)?;
        let library = format!(
            "lessor = {{ path = \"../../library/{bench}\", package = \"lessor-{bench}\", default-features = false"
        );
        let manifest = replace_once(&manifest, "lessor = { workspace = true", &library)?;
        let source = |file: &str| self.repository.join("tests/simulation/src").join(file);
        Ok(format!(
            "{manifest}
[lib]
name = \"lessor_simulation\"
path = {:?}

[[bin]]
name = \"simulation-{bench}\"
path = {:?}
",
            source("lib.rs"),
            source("main.rs"),
        ))
    }

    fn plant(&self, package: &str, sources: &[(String, String)]) {
        let mut planted = BTreeSet::new();
        for (place, text) in sources {
            let place = format!("{package}/{place}");
            self.write(&place, text);
            planted.insert(self.folder.join(place));
        }
        for file in files(&self.folder.join(package).join("src")) {
            if !planted.contains(&file) {
                fs::remove_file(&file).expect("an old copy can be removed");
            }
        }
    }

    fn read(&self, place: &str) -> String {
        fs::read_to_string(self.repository.join(place)).unwrap_or_else(|error| panic!("{place}: {error}"))
    }

    /// Only what has changed: cargo goes by the times of files.
    fn write(&self, place: &str, text: &str) {
        let file = self.folder.join(place);
        if fs::read_to_string(&file).is_ok_and(|old| old == text) {
            return;
        }
        let written =
            fs::create_dir_all(file.parent().expect("it lies in the folder")).and_then(|()| fs::write(&file, text));
        written.unwrap_or_else(|error: io::Error| panic!("{place}: {error}"));
    }
}

fn library_manifest(root: &str, bench: usize) -> Result<String, String> {
    let kept = |section: &str| {
        ["[package]", "[features]", "[dependencies]"].contains(&section)
            || (section.starts_with("[target.") && section.ends_with(".dependencies]"))
    };
    let manifest = sections(root, kept);
    let manifest = replace_once(&manifest, "name = \"lessor\"", &format!("name = \"lessor-{bench}\""))?;
    // The simulator takes the portable core alone, and a workspace builds its members with their defaults.
    let manifest = replace_once(&manifest, "default = [\"std\", \"system\"]", "default = [\"std\"]")?;
    Ok(format!("{manifest}\n[lib]\nname = \"lessor\"\n"))
}

/// The sections of a manifest that are to be kept, by their headers.
fn sections(manifest: &str, keep: impl Fn(&str) -> bool) -> String {
    let mut kept = String::new();
    let mut keeping = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keeping = keep(line.trim_end());
        }
        if keeping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn replace_once(text: &str, find: &str, replace: &str) -> Result<String, String> {
    match text.matches(find).count() {
        1 => Ok(text.replacen(find, replace, 1)),
        count => Err(format!("to be found once, not {count} times: {find}")),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}
