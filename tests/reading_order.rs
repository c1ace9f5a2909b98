//! The reading order that `src/lib.rs` gives is the order of dependencies: each module uses only earlier ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// As in `src/lib.rs`, "Reading the source".
const ORDER: &[&str] = &[
    "mutex",
    "maybe_send",
    "text",
    "term",
    "lease",
    "config",
    "time",
    "storage",
    "ticket",
    "election",
    "deadline",
    "grant",
    "events",
    "cell",
    "telemetry",
    "driver",
    "leadership",
    "candidate",
    "observer",
    "builder",
];

/// These depend on what they name, and nothing depends on them.
const LEAVES: &[&str] = &["fence", "serde", "guide", "lib"];

fn main_modules(folder: &Path, files: &mut Vec<(String, String)>, module: Option<&str>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = module.map_or_else(|| stem.clone(), str::to_owned);
        if path.is_dir() {
            main_modules(&path, files, Some(&module));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("conformance.rs") {
            files.push((module, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The modules that a file's code uses; comments and tests do not count.
fn used(code: &str) -> impl Iterator<Item = &str> {
    let code = code.split("\n#[cfg(test)]").next().unwrap_or(code);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn each_module_uses_only_earlier_ones() {
    let mut files = Vec::new();
    main_modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files, None);
    let place: BTreeMap<_, _> = ORDER.iter().enumerate().map(|(place, module)| (*module, place)).collect();
    let mut seen = 0;
    for (module, code) in &files {
        let Some(own) = place.get(module.as_str()) else {
            assert!(LEAVES.contains(&module.as_str()), "{module} has no place in the reading order");
            continue;
        };
        for other in used(code) {
            let Some(place) = place.get(other) else { continue };
            assert!(place <= own, "{module} uses {other}, which comes later in the reading order");
            seen += usize::from(place < own);
        }
    }
    assert!(seen > 50, "only {seen} uses were found: the test looks at the wrong text");
    let said = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let said = said.split("# Reading the source").nth(1).unwrap();
    let mut from = 0;
    for module in ORDER {
        let name = format!("`{module}`");
        let at =
            said[from..].find(&name).unwrap_or_else(|| panic!("{module} is not, or not in this place, in src/lib.rs"));
        from += at;
    }
}
