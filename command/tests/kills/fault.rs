//! What is done to a command that runs.

use rustix::process::Signal;

use crate::Server;
use crate::contenders::{Contenders, Running, begins_anew, send};
use crate::process::{end_of, until, within};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    RunKilled,
    /// And goes on when its command has ended.
    RunStopped,
    /// And goes on at once.
    RunStoppedBriefly,
    LeashKilled,
    LeashStopped,
    /// In the moment in which the other process is killed.
    LeashStoppedAndRunKilled,
    CommandKilled,
    CommandStopped,
    ServerKilled,
    ServerStopped,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::RunKilled,
        Self::RunStopped,
        Self::ServerStopped,
        Self::LeashKilled,
        Self::LeashStopped,
        Self::LeashStoppedAndRunKilled,
        Self::CommandKilled,
        Self::ServerKilled,
        Self::CommandStopped,
        Self::RunStoppedBriefly,
    ];

    pub(crate) const WITHOUT_CRASH: [Self; 9] = [
        Self::RunKilled,
        Self::RunStopped,
        Self::ServerStopped,
        Self::LeashKilled,
        Self::LeashStopped,
        Self::LeashStoppedAndRunKilled,
        Self::CommandKilled,
        Self::CommandStopped,
        Self::RunStoppedBriefly,
    ];

    pub(crate) const OF_PROCESSES: [Self; 8] = [
        Self::RunKilled,
        Self::RunStopped,
        Self::LeashKilled,
        Self::LeashStopped,
        Self::LeashStoppedAndRunKilled,
        Self::CommandKilled,
        Self::CommandStopped,
        Self::RunStoppedBriefly,
    ];

    /// Whatever it is, the command ends, and another begins.
    pub(crate) async fn strike(self, contenders: &mut Contenders, running: &Running, server: Option<&Server>) {
        let Running { run, leash, command, .. } = *running;
        match self {
            Self::RunKilled => send(run, Signal::KILL),
            Self::RunStopped => {
                send(run, Signal::STOP);
                within(end_of(command)).await;
                // Another leads by then.
                begins_anew(contenders, running).await;
                send(run, Signal::CONT);
            }
            Self::RunStoppedBriefly => {
                send(run, Signal::STOP);
                smol::Timer::after(core::time::Duration::from_millis(700)).await;
                send(run, Signal::CONT);
                end(running);
            }
            Self::LeashKilled => send(leash, Signal::KILL),
            Self::LeashStopped => {
                send(leash, Signal::STOP);
                until("the leash goes on", || !is_stopped(leash)).await;
                send(run, Signal::KILL);
            }
            Self::LeashStoppedAndRunKilled => {
                send(leash, Signal::STOP);
                send(run, Signal::KILL);
            }
            Self::CommandKilled => send(command, Signal::KILL),
            Self::CommandStopped => {
                send(command, Signal::STOP);
                send(run, Signal::KILL);
            }
            Self::ServerKilled => {
                if let Some(server) = server {
                    (server.crash)();
                }
                end(running);
            }
            Self::ServerStopped => {
                let Some(server) = server else { return };
                (server.pause)();
                within(end_of(command)).await;
                (server.resume)();
            }
        }
        within(end_of(command)).await;
    }
}

/// Half of the commands do not heed SIGTERM.
pub(crate) fn end(running: &Running) {
    send(running.run, Signal::TERM);
    send(running.command, Signal::KILL);
}

fn is_stopped(process: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| stat.contains(") T "))
}
