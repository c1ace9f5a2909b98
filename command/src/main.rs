//! The program `lessor`: leases for people and scripts, on any storage.
//!
//! Each command is a module of its own. What they share is how the storage is named ([`storage`]), how keys are shown ([`seen`], [`table`])
//! and written ([`output`]), and how the program ends ([`exit`]).

mod arguments;
mod check;
mod duration;
mod exit;
mod follow;
#[cfg(feature = "http")]
mod history;
mod list;
mod manual;
mod migrate;
mod output;
mod revoke;
#[cfg(unix)]
mod run;
#[cfg(not(unix))]
#[path = "run_absent.rs"]
mod run;
mod screen;
mod seen;
#[cfg(feature = "serve")]
mod serve;
mod status;
mod storage;
mod table;
mod version;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use arguments::{Arguments, Command};
use exit::Exit;

fn main() -> ExitCode {
    // Started by `run`, it is the leash of a command.
    #[cfg(unix)]
    if let Some(code) = run::hold_if_asked() {
        return code;
    }
    match Arguments::try_parse() {
        Ok(arguments) => perform(arguments.command).unwrap_or_else(Exit::explain),
        Err(error) => exit::of_arguments(&error),
    }
}

fn perform(command: Command) -> Result<ExitCode, Exit> {
    match command {
        Command::Run(arguments) => run::perform(&arguments),
        Command::List(arguments) => alone(list::perform(arguments)),
        Command::Status(arguments) => alone(status::perform(arguments)),
        Command::Watch(arguments) => alone(watch::perform(arguments)),
        #[cfg(feature = "http")]
        Command::History(arguments) => alone(history::perform(arguments)),
        Command::Resign(arguments) => alone(revoke::resign(arguments)),
        Command::Revoke(arguments) => alone(revoke::revoke(arguments)),
        Command::Check(arguments) => alone(check::perform(arguments)),
        Command::Migrate(arguments) => alone(migrate::perform(arguments)),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => on(&mut Builder::new_multi_thread(), serve::perform(*arguments)),
        Command::Completions(arguments) => manual::completions(arguments),
        Command::Manual(arguments) => manual::manual(arguments),
    }
}

/// On this thread.
fn alone(work: impl Future<Output = Result<ExitCode, Exit>>) -> Result<ExitCode, Exit> {
    on(&mut Builder::new_current_thread(), work)
}

fn on(threads: &mut Builder, work: impl Future<Output = Result<ExitCode, Exit>>) -> Result<ExitCode, Exit> {
    threads.enable_all().build().map_err(Exit::failed)?.block_on(work)
}
