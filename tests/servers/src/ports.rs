//! Ports that stay one's own.

use std::fs::{DirBuilder, File};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Mutex;

/// Below those that systems choose from for connections and for listeners on port 0, which would take one away between
/// the moment that it is found and the moment that a server listens on it.
const OURS: core::ops::Range<u16> = 12_000..32_000;

/// Which ones this process has taken. Their locks end with it.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of the loopback interface that nobody listens on, and that no other call gets as long as this process lives,
/// in this process or another: tests of several programs run beside one another.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("lessor-ports");
    // Servers run as other users; those that ask for ports may be several, too.
    let _ = DirBuilder::new().mode(0o777).create(&folder);
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for port in OURS.cycle().skip(start()).take(OURS.len()) {
        // A second lock of the same process is refused as well: it is by file handle.
        let lock =
            File::options().create(true).append(true).open(folder.join(port.to_string())).expect("a lock's file");
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            taken.push(lock);
            return port;
        }
    }
    panic!("all ports of {OURS:?} are in use");
}

/// Processes begin at places of their own, so that they seldom meet.
fn start() -> usize {
    std::process::id() as usize * 64 % OURS.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_given_twice() {
        let mut ports: Vec<_> = (0..100).map(|_| free_port()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 100);
        // Nor to another process, whose locks are as good as those of another handle.
        let other = File::open(std::env::temp_dir().join("lessor-ports").join(ports[0].to_string())).unwrap();
        assert!(other.try_lock().is_err());
    }
}
