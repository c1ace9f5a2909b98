//! `lessor completions` and `lessor manual`: what shells and `man` read.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments;
use crate::exit::Exit;
use crate::output;

/// Print what a shell needs to complete the arguments of `lessor`
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    shell: Shell,
}

/// Print the manual page; or write one for each command into a folder
#[derive(Args, Debug)]
pub(crate) struct ManualArguments {
    /// Where to write them
    folder: Option<PathBuf>,
}

pub(crate) fn completions(CompletionsArguments { shell }: CompletionsArguments) -> Result<ExitCode, Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::Arguments::command(), "lessor", &mut script);
    output::write(|out| out.write_all(&script))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn manual(ManualArguments { folder }: ManualArguments) -> Result<ExitCode, Exit> {
    let command = arguments::Arguments::command();
    match folder {
        Some(folder) => {
            let failed = |error| Exit::Failed(format!("{} cannot be written: {error}", folder.display()));
            fs::create_dir_all(&folder).map_err(failed)?;
            clap_mangen::generate_to(command, &folder).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(Exit::failed)?;
            output::write(|out| out.write_all(&page))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
