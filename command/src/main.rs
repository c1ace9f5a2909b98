//! The program `lessor`: leases for people and scripts, on any storage.
//!
//! Each command is a module of its own; what they share is how the storage is named ([`storage`]), what is shown ([`output`]) and
//! how the program ends ([`exit`]).

mod arguments;
mod exit;
mod list;
mod output;
mod run;
#[cfg(feature = "serve")]
mod serve;
mod storage;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use arguments::{Arguments, Command};
use exit::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::of_arguments(&error),
    };
    match perform(arguments) {
        Ok(code) => code,
        Err(exit) => exit.explain(),
    }
}

fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let runtime = |threads: &mut Builder| threads.enable_all().build().map_err(Exit::failed);
    match arguments.command {
        Command::List(arguments) => runtime(&mut Builder::new_current_thread())?.block_on(list::perform(arguments)),
        Command::Run(arguments) => run::perform(arguments),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => runtime(&mut Builder::new_multi_thread())?.block_on(serve::perform(*arguments)),
    }
}
