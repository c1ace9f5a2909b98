//! What this program is, and what was built into it.

const STORAGES: [(&str, bool); 8] = [
    ("etcd", cfg!(feature = "etcd")),
    ("http", cfg!(feature = "http")),
    ("mysql", cfg!(feature = "mysql")),
    ("nats", cfg!(feature = "nats")),
    ("objects", cfg!(feature = "objects")),
    ("postgres", cfg!(feature = "postgres")),
    ("redis", cfg!(feature = "redis")),
    ("sqlite", true),
];

/// The version, and the storages that can be opened.
pub(crate) fn long() -> String {
    let storages: Vec<_> = STORAGES.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect();
    let serves = if cfg!(feature = "serve") { "yes" } else { "no" };
    format!("{}\nstorages: {}\nserve: {serves}", env!("CARGO_PKG_VERSION"), storages.join(" "))
}
