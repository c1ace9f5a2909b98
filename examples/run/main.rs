//! Runs a command only while this process leads: on many machines, one at a time.
//!
//! ```console
//! $ cargo run --example run -- --key nightly --storage leases.db -- ./backup.sh
//! ```
//!
//! The command finds the term in `LESSOR_TERM`, the key in `LESSOR_KEY`, and the candidate's id in `LESSOR_ID`. Signals
//! are passed on to it. `--help` shows the options and the exit codes.
//!
//! # The command never runs beyond the lease
//! Three lines of defence, each there in case the one before fails:
//!
//! | when | who | what |
//! |---|---|---|
//! | the grace period before the last moment | this process | SIGTERM to the command's process group |
//! | a twentieth of the ttl before the deadline | this process | SIGKILL to the group |
//! | the same moment, or when this process is gone | the leash, a second process | SIGKILL to the group |
//!
//! The leash is for when this process cannot act: it is killed, stopped, or gets no CPU time. The deadline comes from
//! the library, and lies a margin before the end of the lease. The lease is released only after every process of the
//! group has ended.
//!
//! # What it does not do
//! * **It cannot reach processes that leave the group** (`setsid`, daemons, jobs of an interactive shell).
//! * **It cannot act while the whole machine stands still.** When that goes on, so does the command, until the leash
//!   notices. What the command writes to has to refuse an older `LESSOR_TERM`.
//! * **The command cannot read from the terminal**: it is no foreground process, so that Ctrl-C reaches it once,
//!   through this one.
//! * Only on Linux it waits until all that the command left running has ended before it releases the lease; elsewhere
//!   it waits for the command, and kills the rest.
//!
//! Read on in `options.rs`, `campaign.rs` (waits, runs, runs again), `command.rs` (one run, from its start to its end),
//! `leash.rs` (both ends of it), and `outcome.rs` (exit codes).

#[cfg(unix)]
mod campaign;
#[cfg(unix)]
mod command;
#[cfg(unix)]
mod leash;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod outcome;
#[cfg(unix)]
mod signals;

#[cfg(not(unix))]
fn main() {
    println!("This example ends its command by signals to a process group: it needs a Unix.");
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use options::Mode;

    match options::from_args() {
        Ok(Mode::Help) => {
            print!("{}", options::HELP);
            std::process::ExitCode::SUCCESS
        }
        Ok(Mode::Leash) => leash::hold(),
        Ok(Mode::Run(options)) => {
            let outcome = smol::block_on(campaign::run(&options));
            outcome.explain(&options);
            outcome.code()
        }
        Err(wrong) => {
            eprintln!("run: {wrong}\nrun: `--help` tells what there is");
            std::process::ExitCode::from(outcome::USAGE)
        }
    }
}
