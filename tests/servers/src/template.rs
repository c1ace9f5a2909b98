//! What a server begins with: made once on a machine, and copied for each server, which takes a fraction of the time.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;

/// Fills this folder, which does not exist yet, with what `make` fills it with.
///
/// Another `program`, after an update of the system say, makes its own; so do other `settings`.
///
/// # Panics
/// If the copies are not made.
pub(crate) fn fill(data: &Path, program: &Path, settings: &[&str], make: impl FnOnce()) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers");
    fs::create_dir_all(&folder).expect("a folder beside what is built");
    let about = program.metadata().expect("a program");
    let mut hasher = DefaultHasher::new();
    (about.len(), about.modified().ok(), settings).hash(&mut hasher);
    let name = program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let template = folder.join(format!("{name}-{:x}", hasher.finish()));
    let one = File::create(template.with_extension("lock")).expect("a file to lock");
    // Those that begin meanwhile wait for it.
    one.lock().expect("its lock");
    if template.exists() {
        drop(one);
        return copy(&template, data);
    }
    make();
    // What was begun and not finished has another name.
    let begun = template.with_extension("new");
    let _ = fs::remove_dir_all(&begun);
    copy(data, &begun);
    fs::rename(&begun, &template).expect("its name");
}

/// With owners and rights.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--reflink=auto"]).args([from, to]).status();
    assert!(copied.is_ok_and(|copied| copied.success()), "cp copies {} to {}", from.display(), to.display());
}
