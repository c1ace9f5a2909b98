//! Names that no longer lead to the file that is open, and files with more than one name: two would lead in one term.
#![cfg(unix)]

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures::executor::block_on;
use lessor::storage::{ErrorKind, List};
use lessor::{Storage, StorageError, StorageExt};
use lessor_sqlite::rusqlite::Connection;
use lessor_sqlite::{AdapterError, SqliteStorage};

use crate::database::{Database, claim, extended, granted, key, release, renewal};

/// It is of the permanent kind, names the file, and says what to do.
#[track_caller]
fn about(error: &StorageError, file: &Path, remedy: &str) {
    let text = error.to_string();
    assert!(
        error.kind() == ErrorKind::Permanent
            && matches!(AdapterError::of(error), Some(AdapterError::WrongSetup { .. }))
    );
    assert!(text.contains(&file.display().to_string()) && text.contains(remedy), "{text}");
}

/// Whoever has the old file open is told at the next thing that it asks; the next one to start has the new file, alone.
#[test]
fn a_file_that_is_deleted_replaced_or_moved_is_noticed() {
    type Deed = fn(&Path);
    let deeds: [Deed; 5] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, path.with_file_name("elsewhere.db")).unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            Connection::open(path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        },
        |path| {
            let copy = path.with_file_name("restored.db");
            fs::copy(path, &copy).unwrap();
            fs::rename(copy, path).unwrap();
        },
        |path| {
            let folder = path.parent().unwrap();
            fs::rename(folder, folder.with_extension("old")).unwrap();
        },
    ];
    for (number, deed) in deeds.into_iter().enumerate() {
        block_on(async {
            let outer = tempfile::tempdir().unwrap();
            let path = outer.path().join("data").join("leases.db");
            fs::create_dir(path.parent().unwrap()).unwrap();
            let storage = SqliteStorage::open(&path).await.unwrap();
            storage.migrate().await.unwrap();
            let own = SqliteStorage::new(Connection::open(&path).unwrap()).await.unwrap();
            let mine = claim("k", 1);
            let term = granted(storage.acquire(mine.clone()).await);
            granted(own.acquire(claim("own", 1)).await);
            extended(storage.renew(renewal(&mine, term)).await);

            deed(&path);
            for error in [
                storage.renew(renewal(&mine, term)).await.unwrap_err(),
                storage.acquire(claim("free", 1)).await.unwrap_err(),
                storage.acquire(claim("k", 2)).await.unwrap_err(),
                storage.release(release(&mine)).await.unwrap_err(),
                storage.get(&key("k")).await.unwrap_err(),
                storage.list(List::new()).await.unwrap_err(),
                storage.check().await.unwrap_err(),
                storage.migrate().await.unwrap_err(),
                own.renew(renewal(&claim("own", 1), term)).await.unwrap_err(),
            ] {
                about(&error, &path, "restart all programs that use it");
                assert!(error.to_string().contains("deleted, replaced or moved"), "{number}: {error}");
            }
        });
    }
}

/// A folder of the current release, say, that is a link: others follow it to another file from now on.
#[test]
fn a_link_that_leads_elsewhere_is_noticed() {
    block_on(async {
        let database = Database::new();
        drop(database.storage().await);
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("current");
        symlink(database.path.parent().unwrap(), &current).unwrap();
        let storage = SqliteStorage::open(current.join("leases.db")).await.unwrap();
        let mine = claim("k", 1);
        let term = granted(storage.acquire(mine.clone()).await);
        let next = Database::new();
        drop(next.storage().await);
        fs::remove_file(&current).unwrap();
        symlink(next.path.parent().unwrap(), &current).unwrap();
        about(&storage.renew(renewal(&mine, term)).await.unwrap_err(), &current, "restart all programs");
        // It leads back.
        fs::remove_file(&current).unwrap();
        symlink(database.path.parent().unwrap(), &current).unwrap();
        extended(storage.renew(renewal(&mine, term)).await);
    });
}

/// Another process makes a log of its own, or an index, and does not see what this one writes.
#[test]
fn a_log_that_is_deleted_is_noticed() {
    for ending in ["leases.db-wal", "leases.db-shm"] {
        block_on(async {
            let database = Database::new();
            let storage = database.storage().await;
            let own = SqliteStorage::new(database.raw()).await.unwrap();
            let mine = claim("k", 1);
            let term = granted(storage.acquire(mine.clone()).await);
            let file = database.path.with_file_name(ending);
            fs::remove_file(&file).unwrap();
            for error in [
                storage.renew(renewal(&mine, term)).await.unwrap_err(),
                storage.acquire(claim("free", 1)).await.unwrap_err(),
                storage.get(&key("k")).await.unwrap_err(),
                own.acquire(claim("free", 1)).await.unwrap_err(),
            ] {
                about(&error, &file, "restart all programs that use it");
                assert!(error.to_string().contains("log was deleted"), "{error}");
            }
        });
    }
}

/// Your own connection without a log, which another program switches to one later.
#[test]
fn a_log_that_comes_later_is_looked_after_too() {
    block_on(async {
        let database = Database::new();
        let storage = SqliteStorage::new(database.raw()).await.unwrap();
        storage.migrate().await.unwrap();
        let mine = claim("k", 1);
        let term = granted(storage.acquire(mine.clone()).await);
        let other = database.storage().await;
        extended(storage.renew(renewal(&mine, term)).await);
        fs::remove_file(database.path.with_file_name("leases.db-wal")).unwrap();
        let file = database.path.with_file_name("leases.db-wal");
        about(&storage.renew(renewal(&mine, term)).await.unwrap_err(), &file, "restart all programs");
        drop(other);
    });
}

#[test]
fn a_file_with_two_names_is_refused() {
    block_on(async {
        let database = Database::new();
        drop(database.storage().await);
        let other = database.path.with_file_name("other.db");
        fs::hard_link(&database.path, &other).unwrap();
        for path in [&database.path, &other] {
            about(&SqliteStorage::open(path).await.unwrap_err(), path, "keep one name");
            about(&SqliteStorage::new(Connection::open(path).unwrap()).await.unwrap_err(), path, "keep one name");
            let uri = format!("file:{}", path.display());
            about(&SqliteStorage::open(uri).await.unwrap_err(), path, "keep one name");
        }
        fs::remove_file(&other).unwrap();
        SqliteStorage::open(&database.path).await.unwrap().check().await.unwrap();
    });
}

/// In a process that sees the file mounted by itself, as a container does. This test is started again in one.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_is_mounted_by_itself_is_refused() {
    const MOUNTED: &str = "LESSOR_TEST_MOUNTED";
    if let Some(path) = env::var_os(MOUNTED).map(PathBuf::from) {
        block_on(async {
            about(&SqliteStorage::open(&path).await.unwrap_err(), &path, "mount the folder");
            // The same file by its folder is one that all share.
            SqliteStorage::open(path.with_file_name("leases.db")).await.unwrap().check().await.unwrap();
        });
        return;
    }
    let alone = |command: &str| {
        let mut alone = Command::new("unshare");
        alone.args(["--map-root-user", "--mount", "sh", "-c", command]);
        alone
    };
    if !alone("true").status().is_ok_and(|status| status.success()) {
        eprintln!("not tested: this machine lets nobody mount anything");
        return;
    }
    let database = Database::new();
    drop(block_on(database.storage()));
    let mounted = database.path.with_file_name("mounted here.db");
    fs::write(&mounted, "").unwrap();
    let again = "mount --bind \"$0\" \"$1\" && exec \"$2\" --exact files::a_file_that_is_mounted_by_itself_is_refused";
    let status = alone(again)
        .args([database.path.as_os_str(), mounted.as_os_str(), env::current_exe().unwrap().as_os_str()])
        .env(MOUNTED, &mounted)
        .status();
    assert!(status.unwrap().success());
}

/// What is made while it is opened is a file like any other, whatever its name.
#[test]
fn what_has_a_name_of_its_own_is_opened() {
    block_on(async {
        let database = Database::new();
        let odd = database.path.with_file_name("ein Name mit ü, % und ?.db");
        let storage = SqliteStorage::open(&odd).await.unwrap();
        storage.migrate().await.unwrap();
        granted(storage.acquire(claim("k", 1)).await);
        fs::remove_file(&odd).unwrap();
        about(&storage.acquire(claim("k", 2)).await.unwrap_err(), &odd, "restart");
    });
}

/// Of a file that only its owner may write, in a folder that only its owner may write, or both. Root may do all, so this test
/// is started again as nobody where it runs as root.
#[test]
fn another_users_file_says_what_is_needed() {
    const FILE: &str = "LESSOR_TEST_OF_ANOTHER";
    let refused = |path: &Path| {
        let error = block_on(async {
            match SqliteStorage::open(path).await {
                Ok(storage) => storage.check().await.expect_err("it was opened, and can be written"),
                Err(error) => error,
            }
        });
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Permanent, "{text}");
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::NoRight { .. })), "{text}");
        assert!(text.contains(&path.display().to_string()) && text.contains("read and write the file"), "{text}");
    };
    if let Some(path) = env::var_os(FILE) {
        return refused(Path::new(&path));
    }
    for (folder_writable, file_writable, led) in
        [(false, false, false), (false, false, true), (false, true, false), (true, false, false)]
    {
        let (database, programs) = (Database::new(), tempfile::tempdir().unwrap());
        // The last to close it takes its log along.
        let owner = database.raw();
        let create = SqliteStorage::builder().migration_sql();
        owner.execute_batch(&format!("PRAGMA journal_mode = WAL; {create}")).unwrap();
        let leader = led.then_some(owner);
        let folder = database.path.parent().unwrap();
        let is_root = fs::metadata(folder).unwrap().uid() == 0;
        let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        // Nobody is another user than root; anybody else takes the right from itself.
        let of_others = |writable| if writable { 0o777 } else { 0o755 };
        let own = |writable| if writable { 0o755 } else { 0o555 };
        let mode = |writable| if is_root { of_others(writable) } else { own(writable) };
        rights(&database.path, mode(file_writable));
        rights(folder, mode(folder_writable));
        if is_root {
            rights(programs.path(), 0o755);
            let program = programs.path().join("as nobody");
            fs::copy(env::current_exe().unwrap(), &program).unwrap();
            let mut again = Command::new(program);
            again.args(["--exact", "files::another_users_file_says_what_is_needed"]).env(FILE, &database.path);
            assert!(again.uid(65_534).gid(65_534).current_dir("/").status().unwrap().success());
        } else {
            refused(&database.path);
        }
        rights(folder, 0o755);
        drop(leader);
    }
}
