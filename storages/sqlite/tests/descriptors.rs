//! A process that has no file descriptor left.
#![cfg(unix)]
use std::fs::File;
use std::process::Command;

use futures::executor::block_on;
use lessor::storage::ErrorKind;
use lessor_sqlite::SqliteStorage;

const FOLDER: &str = "LESSOR_TEST_FOLDER";

/// That passes, and is no lack of rights. (In a process of its own: this one needs its descriptors.)
#[test]
fn too_many_open_files() {
    let Ok(folder) = std::env::var(FOLDER) else {
        let folder = tempfile::tempdir().unwrap();
        let mut alone = Command::new("sh");
        alone
            .args(["-c", r#"ulimit -n 64; exec "$0" --exact too_many_open_files"#])
            .arg(std::env::current_exe().unwrap());
        let ended = alone.env(FOLDER, folder.path()).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        return;
    };
    let opened = std::iter::repeat_with(|| File::open("/dev/null"));
    let hoard: Vec<_> = opened.map_while(Result::ok).collect();
    let path = std::path::Path::new(&folder).join("leases.db");
    let error = block_on(SqliteStorage::open(&path)).unwrap_err();
    drop(hoard);
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert!(error.to_string().contains("leases.db") && error.to_string().contains("ulimit -n"), "{error}");
    block_on(SqliteStorage::open(&path)).unwrap();
}
