//! Real processes lose their leader in several ways, and the program checks that nothing went wrong.
//!
//! Some processes on one machine share an SQLite file and campaign for one key. In each round their leader is killed,
//! the next one resigns, and the next one is frozen beyond its ttl and woken. Meanwhile each leader writes into a table
//! through a fence, and notes when it believes that it leads. At the end this program prints for how long nobody led,
//! and checks all notes.
//!
//! `cargo run --example failover`, or `cargo run --example failover -- --help`
//!
//! With `--storage` and a URL (`postgres://..`, `mysql://..`, `redis://..`, `etcd://..`, `nats://..`, `s3://..`, `https://..`) the leases are there instead,
//! and everything else stays as it is. That needs the feature of the engine:
//! `cargo run --features postgres --example failover -- --storage postgres://..`
//!
//! Read on in `node.rs` (one process: how the library is used), `leases.rs` (where the leases are), `ledger.rs` (the
//! fenced table) and `check.rs` (what is proved, and how).

#[cfg(unix)]
mod check;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod leases;
#[cfg(unix)]
mod ledger;
#[cfg(unix)]
mod node;
#[cfg(unix)]
mod note;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod report;
#[cfg(unix)]
mod scenario;
#[cfg(unix)]
mod view;

#[cfg(not(unix))]
fn main() {
    println!("This example kills and freezes processes by signals: it needs a Unix.");
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use options::Mode;
    use std::process::ExitCode;

    let done = match options::from_args() {
        Ok(Mode::Help) => {
            print!("{}", options::HELP);
            Ok(())
        }
        Ok(Mode::Node(node)) => node::run(node),
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

/// What any part of this program may fail with.
#[cfg(unix)]
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[cfg(unix)]
async fn demonstration(options: options::Options) -> Result<()> {
    use async_signal::{Signal, Signals};
    use smol::stream::StreamExt;

    // Before the first process runs, so that an interruption finds something that cleans up.
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
    let interruption = async {
        signals.next().await;
        Err("interrupted".into())
    };

    let folder = tempfile::Builder::new().prefix("lessor-failover-").tempdir()?;
    let path = folder.path().to_path_buf();
    let keep = options.keep;
    let mut cluster = cluster::Cluster::new(options, path.clone());
    let outcome = smol::future::or(interruption, scenario::play(&mut cluster)).await;
    // Whatever happened: no process stays, and then nobody writes into the folder any more.
    cluster.kill_all().await;
    if keep {
        println!("kept: {}", folder.keep().display());
    } else {
        folder.close()?;
    }
    outcome
}
