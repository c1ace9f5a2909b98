//! How many files the process may have open: each connection is one, and each socket that watches.

#[cfg(unix)]
/// For all else: the storage's connections, the log, what is listened at.
const OTHERS: u64 = 256;
/// Has the limit raised as far as the process may, if so many connections and sockets need it. What is wrong, if that is not enough.
#[cfg(unix)]
pub(super) fn make_room(connections: u16, sockets: u16) -> Option<String> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = u64::from(connections) + u64::from(sockets) + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return None;
    }
    limit.current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
    // What may not be raised is found out below.
    let _ = setrlimit(Resource::Nofile, limit);
    let current = getrlimit(Resource::Nofile).current.filter(|current| *current < needed)?;
    Some(format!(
        "it may open {current} files, and for --max-connections {connections} and --max-sockets {sockets} it needs {needed}: raise the limit \
         (LimitNOFILE= of systemd, ulimit -n of a shell, --ulimit nofile= of a container), or lower these two"
    ))
}

#[cfg(not(unix))]
pub(super) fn make_room(_: u16, _: u16) -> Option<String> {
    None
}
