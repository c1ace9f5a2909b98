//! `--on-elected` and `--on-lost`: what is done at the ends of a reign, beside the command.
//!
//! | hook | when | within |
//! |---|---|---|
//! | `--on-elected` | this process begins to lead, before the command starts | the lease |
//! | `--on-lost` | the lease is about to be released, after the command has ended | the lease |
//! | `--on-lost` | the lease was lost, after the command has ended | nothing but its time-out |
//!
//! Each has a leash of its own: it never outlives what it is within, nor this process, and what it leaves running is killed. How it
//! ends changes nothing but the log.

use std::ffi::OsStr;
use std::fmt;
use std::process::{Command, Stdio};
use std::time::Duration;

use lessor::{Leadership, SystemTimer, Timer};
use rustix::process::Signal;

use super::arguments::Arguments;
use super::command::{Limits, Run, Within};
use super::environment;
use super::log::{Level, Log};
use super::senses::Senses;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Hook {
    Elected,
    Lost,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elected => "--on-elected",
            Self::Lost => "--on-lost",
        })
    }
}

/// Answers the signal with which somebody asked for an end meanwhile, through this process.
pub(super) async fn perform(
    hook: Hook,
    script: &OsStr,
    arguments: &Arguments,
    leadership: &Leadership,
    senses: &mut Senses,
    log: &Log,
) -> Option<Signal> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).stdin(Stdio::null());
    environment::give(&mut command, leadership, arguments);
    let said = |outcome| log.tell(Level::Error, "hook", Some(leadership.term()), format_args!("{hook}: {outcome}"));
    let mut run = match Run::start(command, limits(hook, arguments, leadership), None, &mut senses.children).await {
        Ok(run) => run,
        Err(outcome) => {
            said(outcome);
            return None;
        }
    };
    let outcome = run.watch(senses, log).await;
    let asked = run.asked();
    run.end(&mut senses.children).await;
    let left_over = senses.signals.left_over().await;
    if !outcome.is_success() {
        said(outcome);
    }
    asked.or(left_over)
}

/// Within the lease. What tells of its loss may have no room there.
fn limits<'a>(hook: Hook, arguments: &Arguments, leadership: &'a Leadership) -> Limits<'a> {
    let (grace, reserve, timeout) = (arguments.grace(), arguments.reserve(), arguments.hook_timeout);
    let kill_after = arguments.kill_after;
    let limits = Limits { within: Within::Lease(leadership), reserve, grace, timeout: Some(timeout), kill_after };
    if hook == Hook::Elected || limits.have_room() {
        return limits;
    }
    // Behind what this process does itself.
    let end = SystemTimer::new().now().saturating_add(timeout + grace * 2 + Duration::from_secs(1));
    Limits { within: Within::Time(end), ..limits }
}
