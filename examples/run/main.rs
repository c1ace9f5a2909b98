//! Runs a command only while this process leads: on many machines, one at a time.
//!
//! ```console
//! $ cargo run --example run -- --key nightly --storage leases.db -- ./backup.sh
//! ```
//!
//! The command hears its term in `LESSOR_TERM`, its key in `LESSOR_KEY`, and who it is in `LESSOR_ID`. Signals are
//! passed on to it. `--help` tells the options and the exit codes.
//!
//! # The command never runs beyond the lease
//! Three lines of defence, each earlier than the next one's need:
//!
//! | when | who | what |
//! |---|---|---|
//! | the grace before the last moment | this process | SIGTERM to the command's process group |
//! | a twentieth of the ttl before the deadline | this process | SIGKILL to the group |
//! | the same moment, or when this process is gone | the leash, a second process | SIGKILL to the group |
//!
//! The leash is for when this process cannot: it is killed, or stopped, or starves. The deadline comes from the
//! library, and lies a margin before the end of the lease. The lease is released only after every process of the group
//! has ended.
//!
//! # What it does not do
//! * **Who leaves the process group is out of reach** (`setsid`, daemons, jobs of an interactive shell).
//! * **A machine that stands still, with all of its processes, is late in everything.** When it goes on, the command
//!   does so too, until the leash notices. Whatever the command changes has to refuse an older `LESSOR_TERM`.
//! * **The command cannot read from the terminal**: it is no foreground process, so that Ctrl-C reaches it once,
//!   through this one.
//! * Only on Linux it waits for what the command left running to end before it releases the lease; elsewhere
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
