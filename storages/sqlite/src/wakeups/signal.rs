//! How processes tell each other of hand-overs: by a file that comes and goes beside the database.

use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};

/// An empty file beside the database, made and removed after a commit that handed a lease over: whoever watches the
/// directory hears of it.
///
/// To watch the database's own files would be too early: SQLite writes its log *before* readers can see the commit, and
/// nothing on the disk tells when they can.
pub(super) struct Signal {
    path: PathBuf,
    watch: Watch,
}

/// Begins with the first follower: a process without followers watches nothing.
enum Watch {
    NotBegun,
    /// By the thread of `notify`, until this is dropped.
    Begun(#[expect(dead_code, reason = "it watches until it is dropped")] RecommendedWatcher),
    /// The system cannot or will not tell.
    Unavailable,
}

impl Signal {
    pub(super) fn beside(database: &Path) -> Self {
        let mut name = OsString::from(database);
        name.push("-lessor-wakeup");
        Self { path: name.into(), watch: Watch::NotBegun }
    }

    /// Tells the others, after the caller's commit: makes the file and removes it again. Each is an event to them.
    ///
    /// The file is one for all processes, and they may do this at the same time. Still there is an event after the
    /// caller's commit: if the file cannot be made because another's is there, then either that one is removed here, or
    /// its maker has yet to remove it. A file that a dead process left behind is removed the same way. One that is not
    /// empty is somebody's own and stays.
    pub(super) fn send(&self) {
        let made = File::create_new(&self.path).is_ok();
        if made || fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_file() && found.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Watches from the first call on. `heard` is then called from another thread for each event.
    ///
    /// # Errors
    /// Why it cannot, in the first call.
    pub(super) fn watch(&mut self, heard: impl Fn() + Send + 'static) -> Result<(), String> {
        if matches!(self.watch, Watch::NotBegun) {
            self.watch = Watch::Unavailable;
            self.watch = Watch::Begun(begin(&self.path, heard)?);
        }
        Ok(())
    }
}

fn begin(signal: &Path, heard: impl Fn() + Send + 'static) -> Result<RecommendedWatcher, String> {
    let (Some(name), Some(folder)) = (signal.file_name(), signal.parent()) else { return Err("it has no name".into()) };
    let name = name.to_os_string();
    let handler = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| concerns(&event, &name)) {
            heard();
        }
    };
    // Where the system has no thread to spare, notify panics when it is called and again when it is dropped.
    let said = |error: notify::Error| error.to_string();
    let mut watcher = ManuallyDrop::new(recommended_watcher(handler).map_err(said)?);
    let started = catch_unwind(AssertUnwindSafe(|| watcher.watch(folder, RecursiveMode::NonRecursive)));
    match started {
        Ok(started) => {
            let watcher = ManuallyDrop::into_inner(watcher);
            started.map(|()| watcher).map_err(said)
        }
        Err(_) => Err("the system has no thread to spare".into()),
    }
}

/// Looks at the file are no news, and events may have been lost (`need_rescan`).
fn concerns(event: &Event, name: &OsStr) -> bool {
    event.need_rescan()
        || !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| path.file_name() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_watched_it_is_told_once() {
        let mut signal = Signal::beside(Path::new("/no/such/folder/leases.db"));
        assert!(!signal.watch(|| ()).unwrap_err().is_empty());
        assert_eq!(signal.watch(|| ()), Ok(()));
    }
}
