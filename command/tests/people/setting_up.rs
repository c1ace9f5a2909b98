//! `migrate`, `completions`, `manual`, `--help`, `--version`.

use lessor::StorageExt;
use lessor_postgres::sqlx::{self, AssertSqlSafe};
use lessor_servers::asking::{claim, granted};
use lessor_servers::postgres;
use tempfile::TempDir;

use crate::{Place, lessor, told};

#[test]
fn a_storage_is_made_ready() {
    for place in Place::all() {
        for _ in 0..2 {
            assert_eq!(place.ask(&["migrate"]), ("the storage has all that it needs\n".to_owned(), 0));
        }
        assert_eq!(place.ask(&["list"]).1, 0);
    }
}

/// By somebody with more rights than the program has.
#[test]
fn what_is_printed_is_enough() {
    let server = postgres::Server::start();
    let (sql, code) = told(&lessor(&["migrate", "--print", "--storage", &server.url()]).output().unwrap());
    assert_eq!(code, 0, "{sql}");
    let (text, code) = told(&lessor(&["list", "--storage", &server.url()]).output().unwrap());
    assert!(code == 123 && text.contains("migrate"), "{text}");
    smol::block_on(async { sqlx::raw_sql(AssertSqlSafe(sql)).execute(&server.pool(1)).await }).unwrap();
    let (text, code) = told(&lessor(&["check", "--storage", &server.url()]).output().unwrap());
    assert_eq!(code, 0, "{text}");
    let storage = smol::block_on(lessor_any::connect(&server.url())).unwrap();
    let _ = granted(smol::block_on(storage.acquire(claim("k", 1))));
}

#[test]
fn shells_and_man_are_served() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (text, code) = told(&lessor(&["completions", shell]).output().unwrap());
        assert!(code == 0 && text.contains("resign"), "{shell}: {text}");
    }
    let (text, code) = told(&lessor(&["manual"]).output().unwrap());
    assert!(code == 0 && text.contains(".TH lessor 1"), "{text}");
    let folder = TempDir::new().unwrap();
    let (text, code) = told(&lessor(&["manual", folder.path().to_str().unwrap()]).output().unwrap());
    assert_eq!(code, 0, "{text}");
    assert!(folder.path().join("lessor-run.1").exists());
}

#[test]
fn each_command_has_its_help() {
    let (text, code) = told(&lessor(&["--help"]).output().unwrap());
    assert_eq!(code, 0);
    let commands = text.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> = names.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        let (text, code) = told(&lessor(&[name, "--help"]).output().unwrap());
        assert!(code == 0 && text.contains("Usage: lessor"), "{name}: {text}");
    }
    let (text, code) = told(&lessor(&["--version"]).output().unwrap());
    assert!(code == 0 && text.contains("storages: ") && text.contains("sqlite"), "{text}");
}
