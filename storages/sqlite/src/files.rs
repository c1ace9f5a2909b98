//! The files of the database, and whether their names still lead to what the connection has open.
//!
//! A name that leads elsewhere means two databases: each process grants in its own, in the same terms, so that not even a
//! fence helps. SQLite does not look, once it has opened a file.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use rusqlite::Connection;

/// Which file it is, whatever its name: by device and number, on Unix. Other systems keep a file that is open from being deleted
/// or replaced: it is there, or it is not.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

/// The files of a database on the disk.
pub(crate) struct Files {
    /// What others may call the database: as it was named here, and where that led. A link in between may be changed.
    names: Vec<PathBuf>,
    database: Identity,
    /// The log and its index, `-wal` and `-shm`, once the connection has them open.
    beside: Vec<(PathBuf, Identity)>,
}

impl Files {
    /// Of a connection whose database is this file now. `named`: as what it was opened.
    ///
    /// # Errors
    /// Another process could open the same file without sharing its log.
    pub(crate) fn new(named: Option<&Path>, resolved: PathBuf) -> Result<Self, StorageError> {
        let found = fs::metadata(&resolved).map_err(|error| unseen(&resolved, error))?;
        let links = links(&found);
        if links > 1 {
            let problem = "the database's file has several names (hard links), and SQLite keeps a log for each name, so \
                           that two could lead";
            let remedy = "keep one name and delete the others; for a backup make a copy";
            let found = format!("{} and {} more", resolved.display(), links - 1);
            return Err(AdapterError::wrong_setup("file", found, problem, remedy).into());
        }
        if is_mounted(&resolved) {
            let problem = "the database's file is mounted by itself, without the log beside it: each container would have \
                           a log of its own, so that two could lead";
            let remedy = "mount the folder that it is in, never the file alone";
            return Err(AdapterError::wrong_setup("file", resolved.display().to_string(), problem, remedy).into());
        }
        let database = identity(&found);
        let mut names = vec![resolved];
        names.extend(named.filter(|named| !names.iter().any(|name| name == named)).map(Path::to_path_buf));
        Ok(Self { names, database, beside: Vec::new() })
    }

    /// Without links in it.
    pub(crate) fn name(&self) -> Option<&Path> {
        self.names.first().map(PathBuf::as_path)
    }

    /// Whether every name still leads to the files that the connection has open.
    ///
    /// # Errors
    /// One is gone, or another's: permanent.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        let database = self.names.iter().map(|name| (name, self.database, DATABASE));
        let beside = self.beside.iter().map(|(name, identity)| (name, *identity, LOG));
        for (name, expected, problem) in database.chain(beside) {
            let found = fs::metadata(name).map(|found| identity(&found));
            match found {
                Ok(found) if found == expected => {}
                Err(error) if !is_gone(&error) => return Err(unseen(name, error)),
                _ => {
                    let remedy =
                        "restart all programs that use it, and leave its files in place while one of them runs";
                    return Err(AdapterError::wrong_setup("file", name.display().to_string(), problem, remedy).into());
                }
            }
        }
        Ok(())
    }

    /// Remembers the log and its index, if the connection writes one: it has them open after it has read anything.
    pub(crate) fn find_log(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.beside.is_empty() {
            return Ok(());
        }
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode != "wal" {
            return Ok(());
        }
        connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))?;
        for ending in ["-wal", "-shm"] {
            let Some(name) = self.names.first().map(|name| with_ending(name, ending)) else { continue };
            // There is no index where the connection has locked the database for good.
            if let Ok(found) = fs::metadata(&name) {
                let identity = identity(&found);
                self.beside.push((name, identity));
            }
        }
        Ok(())
    }
}

const DATABASE: &str = "the database's file was deleted, replaced or moved while it was open, so that other processes may \
                        use another one";
const LOG: &str = "a file of the database's log was deleted or replaced while it was open, so that other processes may \
                   write another one";

fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(name);
    name.push(ending);
    name.into()
}

/// Opens a database so that it is known which file it is. Nothing is known of one in memory.
///
/// `named`: its name, unless it is a URI. SQLite tells no more than the name of what it opened, so what has that name is
/// looked at before and after: if it is the same, then that is what was opened.
pub(crate) fn opened(
    named: Option<&Path>,
    open: impl Fn() -> Result<Connection, StorageError>,
) -> Result<(Connection, Option<Files>), StorageError> {
    let look = |name: &Path| fs::metadata(name).map(|found| identity(&found)).ok();
    let mut before = named.and_then(look);
    let mut tries = 0;
    loop {
        let connection = open()?;
        let Some(resolved) = resolved(named, &connection) else { return Ok((connection, None)) };
        let after = look(&resolved);
        tries += 1;
        match after {
            Some(_) if after == before => return Ok((connection, Some(Files::new(named, resolved)?))),
            // Its first connection has made it.
            Some(_) if tries < 4 => before = after,
            // What another VFS of SQLite has is no file.
            None if named.is_none() => return Ok((connection, None)),
            _ => {
                let remedy = "leave it in place while programs use it, and try again";
                let found = resolved.display().to_string();
                return Err(
                    AdapterError::wrong_setup("file", found, "the database's file comes and goes", remedy).into()
                );
            }
        }
    }
}

/// Of a connection that somebody else has opened.
pub(crate) fn of(connection: &Connection) -> Result<Option<Files>, StorageError> {
    match resolved(None, connection) {
        Some(resolved) if resolved.exists() => Files::new(None, resolved).map(Some),
        _ => Ok(None),
    }
}

/// The name of the file that SQLite has open, without links in it.
fn resolved(named: Option<&Path>, connection: &Connection) -> Option<PathBuf> {
    match connection.path() {
        Some("") => None,
        Some(path) => Some(path.into()),
        // A name that is no UTF-8.
        None => fs::canonicalize(named?).ok(),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unseen(name: &Path, error: io::Error) -> StorageError {
    let kind = error.kind();
    let said = format!("cannot look at {}: {error}", name.display());
    if kind == io::ErrorKind::PermissionDenied {
        return AdapterError::forbidden(said).into();
    }
    StorageError::transient(io::Error::new(kind, said))
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity(found.dev(), found.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {
    Identity(0, 0)
}

#[cfg(unix)]
fn links(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

#[cfg(not(unix))]
fn links(_: &fs::Metadata) -> u64 {
    1
}

/// Whether something is mounted at this very name, as far as the system tells: Linux does.
fn is_mounted(name: &Path) -> bool {
    let mounts =
        if cfg!(target_os = "linux") { fs::read("/proc/self/mountinfo").unwrap_or_default() } else { Vec::new() };
    let name = fs::canonicalize(name).unwrap_or_else(|_| name.to_path_buf());
    mount_points(&mounts).any(|point| point == name.as_os_str().as_encoded_bytes())
}

/// The fifth word of each line, in which `\` and three octal digits stand for spaces and the like.
fn mount_points(mounts: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let points = mounts.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    points.map(|mut escaped| {
        let mut point = Vec::with_capacity(escaped.len());
        while let Some((first, rest)) = escaped.split_first() {
            let (byte, rest) = octal(escaped).unwrap_or((*first, rest));
            point.push(byte);
            escaped = rest;
        }
        point
    })
}

fn octal(escaped: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = escaped.strip_prefix(b"\\")?.split_at_checked(3)?;
    Some((u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_as_linux_writes_them() {
        let mounts = b"22 1 0:21 / / rw - ext4 /dev/vda rw\n\
                       63 43 254:0 /srv/a /data/my\\040leases\\134\\303\\251.db rw,relatime shared:1 - ext4 /dev/vda rw\n\
                       64 43 254:0 /x /odd\\9 rw - ext4 /dev/vda rw\n\n";
        let points: Vec<_> = mount_points(mounts).collect();
        assert_eq!(points, [b"/".to_vec(), "/data/my leases\\é.db".into(), b"/odd\\9".to_vec()]);
    }
}
