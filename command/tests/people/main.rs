//! What people ask, of real storages, by the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod finding;
mod following;
mod setting_up;
mod taking;

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use lessor::Storage;
use lessor_servers::redis::Keeps;
use lessor_servers::{postgres, redis};
use serde_json::Value;
use tempfile::TempDir;

/// A storage that lives as long as this.
struct Place {
    url: String,
    _kept: Box<dyn std::any::Any>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        Self { url: folder.path().join("leases.db").display().to_string(), _kept: Box::new(folder) }
    }

    fn postgres() -> Self {
        let server = postgres::Server::start();
        Self { url: server.url(), _kept: Box::new(server) }
    }

    fn redis() -> Self {
        let server = redis::Server::start(Keeps::Nothing);
        let place = Self { url: server.url(), _kept: Box::new(server) };
        assert_eq!(place.ask(&["migrate", "--initialise"]).1, 0);
        place
    }

    fn all() -> [Self; 3] {
        [Self::sqlite(), Self::postgres(), Self::redis()]
    }

    /// As a candidate has it.
    fn storage(&self) -> Arc<dyn Storage> {
        smol::block_on(lessor_any::open(&self.url)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = lessor(arguments);
        command.env("LESSOR_STORAGE", &self.url);
        command
    }

    /// The answer, and how it ended.
    fn ask(&self, arguments: &[&str]) -> (String, i32) {
        told(&self.command(arguments).output().unwrap())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (text, code) = self.ask(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {code} {text} {error}"))
    }
}

fn lessor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
    command.args(arguments).env_remove("LESSOR_STORAGE").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// What it said, to people and to programs.
fn told(output: &Output) -> (String, i32) {
    let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8(text.clone()).unwrap()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (text, output.status.code().expect("no signal ended it"))
}

/// With something to read.
fn told_with(mut command: Command, input: &str) -> (String, i32) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    told(&child.wait_with_output().unwrap())
}
