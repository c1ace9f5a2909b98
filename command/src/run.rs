//! `lessor run`: a command that runs only while this process leads.
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
//! Read on in `arguments` (what can be asked for), `opening` (the storage), `campaign` (waits, runs, runs again) and `candidate`, `waiting`,
//! `sights`, `command` (one run, from its start to its end), `late_wakeups`, `leash` and `leash::hold` (both ends of it), `children` and
//! `signals` (what the system tells), `hooks`, and `outcome` (exit codes). `log`, `systemd`, `watchdog` and `metrics` tell others.

mod arguments;
mod campaign;
mod candidate;
mod children;
mod command;
mod duration;
mod environment;
mod hooks;
mod late_wakeups;
mod leash;
mod log;
mod metrics;
mod opening;
mod outcome;
mod senses;
mod sights;
mod signals;
mod systemd;
mod waiting;
mod watchdog;

use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Builder;

pub(crate) use arguments::Arguments;
pub(crate) use leash::hold::if_asked as hold_if_asked;

use crate::exit::Exit;
use log::Log;
use systemd::Systemd;

pub(crate) fn perform(arguments: &Arguments) -> Result<ExitCode, Exit> {
    arguments.check()?;
    let systemd = Arc::new(Systemd::find());
    let log = Log::new(arguments, &arguments.id(), systemd.clone());
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Exit::failed)?;
    let outcome = runtime.block_on(campaign::perform(arguments, &log, &systemd));
    // Nothing that is still under way is worth a wait.
    runtime.shutdown_background();
    campaign::explain(&outcome, &log, None);
    Ok(ExitCode::from(&outcome))
}
