use std::env;

use tempfile::TempDir;

/// Where servers have their files, if not where all temporary files are. `tests/run` says so where there is memory enough: on a disk that
/// somebody else writes to, a server may stand still for seconds.
const FOLDER: &str = "LESSOR_SERVERS";

/// A folder of a server's own.
pub(crate) fn own_folder() -> TempDir {
    let folder = env::var_os(FOLDER).map_or_else(TempDir::new, TempDir::new_in);
    folder.expect("a temporary folder")
}
