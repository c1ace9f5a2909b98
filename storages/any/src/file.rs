//! The name of an SQLite file.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use lessor::StorageError;

use crate::OpenError;
use crate::parameters::{self, SQLITE};

/// What means something in a URI.
const MEANT: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// What SQLite is told to open.
///
/// Without a scheme it is a path, as it is. Behind `sqlite:` it is a URL as sqlx reads it: with `%` and two hexadecimal
/// digits for a byte, a `?` before the parameters, and `//` for nothing. `file:` is SQLite's own, and passed on.
///
/// # Errors
/// It names no file, which to SQLite is a database of this process alone, or has a parameter that is unknown.
pub(crate) fn named(url: &str) -> Result<Cow<'_, str>, OpenError> {
    let (path, parameters) = if let Some(rest) = url.strip_prefix("sqlite:") {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        (decoded(before(path, &['?']))?, parameters::of(&url.replace('#', "%23"), &SQLITE)?)
    } else if let Some(rest) = url.strip_prefix("file:") {
        let path = before(rest, &['?', '#']);
        // An authority: nothing or localhost.
        let path =
            path.strip_prefix("//").map_or(path, |path| path.find('/').and_then(|at| path.get(at..)).unwrap_or(""));
        (decoded(path)?, parameters::of(before(url, &['#']), &SQLITE)?)
    } else {
        (url.into(), Vec::new())
    };
    if path.trim().is_empty() {
        return Err(OpenError::invalid(
            "it names no file (is a variable empty?): write sqlite: and a path, as in sqlite:/var/lib/app/leases.db",
        ));
    }
    let has = |name, value| parameters.iter().any(|(known, given)| known == name && given == value);
    if path == ":memory:" || has("mode", "memory") || has("vfs", "memdb") {
        return Err(OpenError::invalid(
            "a database in memory is this process's alone, so that each process would lead: write sqlite: and a path, or take \
             lessor::MemoryStorage in a program of one process",
        ));
    }
    if !url.starts_with("sqlite:") {
        return Ok(url.into());
    }
    if parameters.is_empty() {
        // A name that looks like a URI is none.
        let looks_like = ["file:", "sqlite:"].iter().any(|scheme| path.starts_with(scheme));
        return Ok(if looks_like { format!("./{path}").into() } else { path });
    }
    let authority = if path.starts_with('/') { "//" } else { "" };
    let query = url.split_once('?').map_or("", |(_, query)| query).replace('#', "%23");
    Ok(format!("file:{authority}{}?{query}", utf8_percent_encode(&path, MEANT)).into())
}

/// The same one, which has to be there: SQLite would create it.
pub(crate) fn there(name: Cow<'_, str>) -> Result<Cow<'_, str>, OpenError> {
    if name.starts_with("file:") {
        let has_mode =
            name.split_once('?').is_some_and(|(_, query)| query.split('&').any(|part| part.starts_with("mode=")));
        let sign = if name.contains('?') { '&' } else { '?' };
        return Ok(if has_mode { name } else { format!("{name}{sign}mode=rw").into() });
    }
    match std::fs::metadata(&*name) {
        Ok(_) => Ok(name),
        Err(error) => Err(StorageError::permanent(format!("{name} cannot be opened: {error}")).into()),
    }
}

fn before<'u>(text: &'u str, ends: &[char]) -> &'u str {
    text.split(ends).next().unwrap_or(text)
}

fn decoded(path: &str) -> Result<Cow<'_, str>, OpenError> {
    match percent_decode_str(path).decode_utf8() {
        Ok(path) if !path.contains('\0') => Ok(path),
        _ => Err(OpenError::invalid("its path is no UTF-8 once it is decoded, or has a zero byte")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        for (url, expected) in [
            ("leases.db", "leases.db"),
            ("a%20b?c#d.db", "a%20b?c#d.db"),
            ("sqlite:leases.db", "leases.db"),
            ("sqlite://leases.db", "leases.db"),
            ("sqlite:///var/leases.db", "/var/leases.db"),
            ("sqlite:/var/a%20b.db", "/var/a b.db"),
            ("sqlite:a%3Fb%23%25.db", "a?b#%.db"),
            ("sqlite:100%.db", "100%.db"),
            ("sqlite:a#b.db", "a#b.db"),
            ("sqlite:file%3Aa.db", "./file:a.db"),
            ("sqlite:sqlite:a.db", "./sqlite:a.db"),
            ("sqlite:a%20b%3F.db?mode=rw", "file:a b%3F.db?mode=rw"),
            ("sqlite:///var/e.db?mode=rwc&cache=private", "file:///var/e.db?mode=rwc&cache=private"),
            ("sqlite:////var/e.db?mode=rw", "file:////var/e.db?mode=rw"),
            ("file:leases.db", "file:leases.db"),
            ("file://localhost/a%20b.db?mode=rw#x", "file://localhost/a%20b.db?mode=rw#x"),
        ] {
            assert_eq!(named(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_names_no_file() {
        for url in
            ["", " ", "sqlite:", "sqlite://", "sqlite: ", "sqlite:?mode=rw", "file:", "file://", "file:?x", "file:#x"]
        {
            let error = named(url).unwrap_err().to_string();
            assert!(error.contains("it names no file") || error.contains("\"x\" is unknown"), "{url}: {error}");
        }
        for url in ["file://localhost", "file://localhost?mode=rw", "file:%20"] {
            assert!(named(url).unwrap_err().to_string().contains("it names no file"), "{url}");
        }
        for url in [
            ":memory:",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:%3Amemory:",
            "sqlite:a.db?mode=memory",
            "file::memory:?cache=shared",
            "file:a?mode=memory&cache=shared",
            "file:/a?vfs=memdb",
        ] {
            let error = named(url).unwrap_err().to_string();
            assert!(error.contains("each process would lead") && error.contains("MemoryStorage"), "{url}: {error}");
        }
        for url in ["sqlite:%FF", "sqlite:a%00b", "file:a%00b"] {
            assert!(matches!(named(url), Err(OpenError::InvalidUrl { .. })), "{url}");
        }
    }

    /// SQLite and sqlx know these; a lease that ignores the locks of others is none.
    #[test]
    fn parameters_that_would_let_two_lead() {
        for url in ["file:a.db?nolock=1", "sqlite:a.db?immutable=1", "sqlite:a.db?mode=rw&nolock=1"] {
            assert!(named(url).unwrap_err().to_string().contains("is unknown: there are mode, cache, vfs"), "{url}");
        }
    }
}
