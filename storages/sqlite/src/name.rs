//! What may be opened: a file, or memory where that was asked for.

use std::path::Path;

use lessor_kit::error::AdapterError;
use rusqlite::Connection;

const ALLOWED: &str = "a file, or \":memory:\" for this process alone: SQLite would make a database that no other process sees \
                       (is a variable empty?)";

/// # Errors
/// [`AdapterError::InvalidSetting`]: it names nothing, is another library's URL, or sets the locks aside.
pub(crate) fn checked(path: &Path) -> Result<(), AdapterError> {
    let name = path.as_os_str().as_encoded_bytes();
    if name.trim_ascii().is_empty() {
        return Err(AdapterError::invalid("path", &path.to_string_lossy(), ALLOWED));
    }
    if name.starts_with(b"sqlite:") {
        let allowed = "a path, or SQLite's own file: URI (lessor-any's open reads sqlite: URLs; a file of that name is ./sqlite:..)";
        return Err(AdapterError::invalid("path", &path.to_string_lossy(), allowed));
    }
    if let Some((_, query)) = path.to_str().filter(|_| is_uri(path)).and_then(|uri| uri.split_once('?')) {
        let is_set = |found: fn(&str, &str) -> bool| {
            query.split(['&', '#']).filter_map(|pair| pair.split_once('=')).any(|(name, value)| found(name, value))
        };
        if is_set(|name, value| name == "nolock" && value != "0") {
            return Err(AdapterError::invalid("path", &path.to_string_lossy(), "a URI without nolock: two could lead"));
        }
        if is_set(|name, value| name == "vfs" && value.ends_with("-none")) {
            let allowed = "a URI without a vfs that is without locks: two could lead";
            return Err(AdapterError::invalid("path", &path.to_string_lossy(), allowed));
        }
    }
    Ok(())
}

/// Whether SQLite reads it as a URI.
pub(crate) fn is_uri(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"file:")
}

/// Whether it is memory by its name.
pub(crate) fn is_memory(path: &Path) -> bool {
    let ways = [":memory:", "mode=memory", "vfs=memdb"];
    let is_asked_for = || path.to_str().is_some_and(|uri| ways.iter().any(|way| uri.contains(way)));
    path == Path::new(":memory:") || is_uri(path) && is_asked_for()
}

/// # Errors
/// [`AdapterError::InvalidSetting`]: what was opened is in no file, and nobody asked for that.
pub(crate) fn names_what_is_open(path: &Path, connection: &Connection) -> Result<(), AdapterError> {
    if connection.path() == Some("") && !is_memory(path) {
        return Err(AdapterError::invalid("path", &path.to_string_lossy(), ALLOWED));
    }
    Ok(())
}
