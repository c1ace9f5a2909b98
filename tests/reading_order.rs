//! The reading order that `src/lib.rs` gives is the order of dependencies: each module uses only earlier ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// As in `src/lib.rs`, "Reading the source".
const ORDER: &[&str] = &[
    "debug",
    "mutex",
    "maybe_send",
    "entropy",
    "listening",
    "text",
    "term",
    "lease",
    "config",
    "profile",
    "slots",
    "time",
    "storage",
    "ticket",
    "election",
    "deadline",
    "shared_reign",
    "stopped",
    "events",
    "shared",
    "telemetry",
    "candidacy",
    "driver",
    "leadership",
    "candidate",
    "weak",
    "lead",
    "observer",
    "builder",
    "spread",
    "group",
];

/// The same within two of them: first the file that names the others.
const STORAGE: &[&str] = &[
    "session",
    "list",
    "request",
    "reply",
    "record",
    "written",
    "error",
    "ext",
    "batch",
    "topic",
    "wakeups",
    "subscribers",
    "refusals",
    "memory",
    "registers",
];
const ELECTION: &[&str] =
    &["messages", "outbox", "phase", "status", "pace", "begin", "request", "slots", "follow", "lead", "end"];

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
    let said = read("src/lib.rs");
    let said = said.split("# Reading the source").nth(1).unwrap();
    for (before, order) in [("In this order", ORDER), ("Within `storage`", STORAGE), ("Within `election`", ELECTION)] {
        let mut rest = said.split(before).nth(1).unwrap();
        for module in order {
            let name = format!("`{module}`");
            let (_, after) = rest.split_once(&name).unwrap_or_else(|| panic!("{before}: {module} is not in its place"));
            rest = after;
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names in a `use` of one line, or of lines that rustfmt broke it into.
fn names<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    code.split(prefix).skip(1).filter_map(|rest| rest.split_once(';')).flat_map(|(used, _)| {
        let (module, names) = used.split_once("::").unwrap_or(("", used));
        let words = names.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.filter(|word| !word.is_empty()).map(move |word| (module, word))
    })
}

#[test]
fn each_part_uses_only_earlier_ones() {
    for (folder, order) in [("storage", STORAGE), ("election", ELECTION)] {
        let whole = read(&format!("src/{folder}.rs"));
        let mut home = BTreeMap::new();
        for prefix in ["\npub use ", "\nuse ", "\npub(crate) use "] {
            home.extend(
                names(&whole, prefix).filter(|(module, _)| order.contains(module)).map(|(at, name)| (name, at)),
            );
        }
        let place = |module: &str| order.iter().position(|part| *part == module);
        let mut seen = 0;
        for (own, part) in order.iter().enumerate() {
            let code = read(&format!("src/{folder}/{part}.rs"));
            let code = code.split("\n#[cfg(test)]").next().unwrap();
            for (module, name) in names(code, "\nuse super::") {
                let from = if module.is_empty() { home.get(name).copied().unwrap_or_default() } else { module };
                let Some(other) = place(from) else { continue };
                assert!(other < own, "{folder}/{part}.rs uses {name} of {from}.rs, which comes later");
                seen += 1;
            }
        }
        assert!(seen > 8, "only {seen} uses were found in {folder}: the test looks at the wrong text");
    }
}
