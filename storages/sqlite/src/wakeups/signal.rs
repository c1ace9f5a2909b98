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
    pub(super) fn watch(&mut self, heard: impl Fn() + Send + 'static) {
        if matches!(self.watch, Watch::NotBegun) {
            self.watch = begin(&self.path, heard).map_or(Watch::Unavailable, Watch::Begun);
        }
    }
}

fn begin(signal: &Path, heard: impl Fn() + Send + 'static) -> Option<RecommendedWatcher> {
    let name = signal.file_name()?.to_os_string();
    let handler = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| concerns(&event, &name)) {
            heard();
        }
    };
    // Where the system has no thread to spare, notify panics when it is called and again when it is dropped.
    let mut watcher = ManuallyDrop::new(recommended_watcher(handler).ok()?);
    let started = catch_unwind(AssertUnwindSafe(|| watcher.watch(signal.parent()?, RecursiveMode::NonRecursive).ok()));
    match started {
        Ok(started) => {
            let watcher = ManuallyDrop::into_inner(watcher);
            started.map(|()| watcher)
        }
        Err(_) => None,
    }
}

/// Looks at the file are no news, and events may have been lost (`need_rescan`).
fn concerns(event: &Event, name: &OsStr) -> bool {
    event.need_rescan()
        || !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| path.file_name() == Some(name))
}
