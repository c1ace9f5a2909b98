//! Ten thousand elections in each of three processes, which share the keys. One is killed, and comes back: a live picture of
//! who leads how many, and of what that asks of the storage.
//!
//! `cargo run --release --example ten_thousand_keys`, or with `-- --help`. On an SQLite file in a temporary folder, or on what
//! `--storage` names by a URL (`postgres://..` with `--features postgres`, say).
//!
//! Read on in `process.rs` (one process: how the library is used), `scenario.rs` (what happens to them) and `picture.rs`.
#![cfg_attr(unix, allow(clippy::disallowed_methods, reason = "what is shown is how long it takes"))]

#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod counted;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod picture;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod scenario;
#[cfg(unix)]
mod state;

#[cfg(not(unix))]
fn main() {
    println!("This example kills processes by signals: it needs a Unix.");
}

/// What any part of this program may fail with.
#[cfg(unix)]
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use options::Mode;
    use std::process::ExitCode;

    let done = match options::from_args() {
        Ok(Mode::Help) => {
            print!("{}", options::HELP);
            Ok(())
        }
        Ok(Mode::Process(options)) => process::run(&options),
        Ok(Mode::Demonstration(options)) => smol::block_on(demonstration(options)),
        Err(wrong) => {
            eprintln!("{wrong}\n`--help` tells what there is");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(unix)]
async fn demonstration(mut options: options::Options) -> Result<()> {
    use async_signal::{Signal, Signals};
    use smol::stream::StreamExt;

    // Before the first process runs, so that an interruption finds something that cleans up.
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
    let interruption = async {
        signals.next().await;
        Err("interrupted".into())
    };
    let folder = tempfile::Builder::new().prefix("lessor-ten-thousand-keys-").tempdir()?;
    if options.storage.is_empty() {
        options.storage = folder.path().join("leases.db").display().to_string();
    }
    let mut cluster = cluster::Cluster::new(options);
    let outcome = smol::future::or(interruption, scenario::play(&mut cluster)).await;
    cluster.kill_all();
    folder.close()?;
    outcome
}
