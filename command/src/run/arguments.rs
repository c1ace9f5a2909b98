//! What `lessor run` can be asked for.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use lessor::{Id, Key, Value};

use super::duration;
use super::outcome::NOT_ELECTED;
use crate::exit::Exit;
use crate::storage::StorageArguments;

/// Run a command only while this process leads: of many, one at a time
///
/// The command is ended before the lease is, whatever becomes of this process: killed, stopped, cut off. It finds LESSOR_TERM (to be
/// sent along with whatever it writes), LESSOR_KEY, LESSOR_ID and, with --slots, LESSOR_SLOT in its environment. SIGINT, SIGTERM,
/// SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to its process group. What it leaves running in that group is killed when it ends.
#[derive(Args, Debug)]
#[command(after_help = CODES)]
pub(crate) struct Arguments {
    /// What is led: 1 to 256 bytes
    #[arg(long, short, value_name = "TEXT", value_parser = key)]
    pub(super) key: String,
    #[command(flatten)]
    pub(super) storage: StorageArguments,
    /// How long a lease lasts, 500ms to 24h
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::ttl)]
    pub(super) ttl: Duration,
    /// How long the command has from SIGTERM to SIGKILL where its lease is about to end, or --timeout has passed; up to 2/5 of the ttl
    /// [default: 1/5 of the ttl]. Signals that are passed on are followed by none: see --kill-after
    #[arg(long, value_name = "DURATION", value_parser = duration::any)]
    grace: Option<Duration>,
    /// Kill the command so long after the first SIGTERM, SIGINT or SIGQUIT that was passed on to it [default: it may take its time]
    #[arg(long, value_name = "DURATION", value_parser = duration::any)]
    pub(super) kill_after: Option<Duration>,
    /// How long to wait for leadership, and before that for the storage; 0: try once [default: no limit]. On etcd, NATS and buckets a first look
    /// cannot tell a leader from one that is gone: there it goes on until the leader renews, or has not for its ttl
    #[arg(long, value_name = "DURATION", value_parser = duration::any)]
    pub(super) wait: Option<Duration>,
    /// The exit code where another leads, instead of 121. With 0 that is no error, and --quiet says nothing of it
    #[arg(long, short = 'E', value_name = "CODE", default_value_t = NOT_ELECTED, hide_default_value = true)]
    pub(super) conflict_exit_code: u8,
    /// The longest the command may run [default: as long as it likes]
    #[arg(long, value_name = "DURATION", value_parser = duration::any)]
    pub(super) timeout: Option<Duration>,
    /// After a grant, hold the lease for at least so long, even if the command ends at once: whose cron fires late then finds it held
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration::bounded)]
    pub(super) min_hold: Duration,
    /// Run it again whenever it ends; after a loss, when this process leads again
    #[arg(long)]
    pub(super) restart: bool,
    /// The pause before that, 10ms to 24h; after failures it doubles, up to 64 times
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::pause)]
    pub(super) pause: Duration,
    /// Let so many lead at once, 1 to 1000: a semaphore. All have to say the same number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) slots: Option<u16>,
    /// The place in the order of preference: of those that wait, the lowest number leads next
    #[arg(long, value_name = "NUMBER", alias = "rank", default_value_t = 0)]
    pub(super) priority: u8,
    /// What people call this process, 1 to 128 bytes [default: host and process id]
    #[arg(long, value_name = "TEXT", value_parser = id)]
    id: Option<String>,
    /// What to publish with the lease, up to 4096 bytes
    #[arg(long, value_name = "TEXT", value_parser = value)]
    pub(super) value: Option<String>,
    /// For `sh -c`, inside the lease: when this process begins to lead, before the command starts
    #[arg(long, value_name = "COMMAND")]
    pub(super) on_elected: Option<OsString>,
    /// For `sh -c`: when this process leads no more, after the command has ended. Inside the lease if that is handed over; after a loss it
    /// is outside, and another may lead already
    #[arg(long, value_name = "COMMAND")]
    pub(super) on_lost: Option<OsString>,
    /// The longest each of the two may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::bounded)]
    pub(super) hook_timeout: Duration,
    /// How to log, to the standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log: Format,
    /// Log nothing but errors
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Where to serve metrics to Prometheus, at /metrics: a port of 127.0.0.1, or an address and a port
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) metrics: Option<SocketAddr>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

const CODES: &str = "\
Durations are written as 500ms, 2s, 1.5 (seconds), 5m or 1h.

Exit codes: that of the command, 128 + n where signal n ended it (or, without a command, this process), and
  120  an argument is wrong        124  --timeout has passed, the command was ended
  121  not elected within --wait   125  this program failed
  122  leadership was lost, the    126  the command cannot be started
       command was ended           127  there is no such command
  123  the storage fails
Where another leads --conflict-exit-code stands in the place of 121.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
    /// Nothing
    Off,
}

impl Arguments {
    /// What no single argument can say: how they fit together.
    pub(super) fn check(&self) -> Result<(), Exit> {
        let Some(grace) = self.grace else { return Ok(()) };
        let allowed = Duration::ZERO..=self.ttl * 2 / 5;
        if allowed.contains(&grace) {
            return Ok(());
        }
        Err(Exit::Usage(format!("--grace is {grace:?}, {}, at this --ttl", duration::what_is_allowed(allowed))))
    }

    pub(super) fn grace(&self) -> Duration {
        self.grace.unwrap_or(self.ttl / 5)
    }

    /// How long before the deadline the command is killed: a process takes a moment to die.
    pub(super) fn reserve(&self) -> Duration {
        self.ttl / 20
    }

    /// How long to wait. One try takes some time, too.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.wait.map(|wait| if wait.is_zero() { self.ttl } else { wait })
    }

    pub(super) fn tries_once(&self) -> bool {
        self.wait == Some(Duration::ZERO)
    }

    pub(super) fn id(&self) -> String {
        self.id
            .clone()
            .unwrap_or_else(|| default_id(&rustix::system::uname().nodename().to_string_lossy(), std::process::id()))
    }
}

/// Of the host as much as fits, and of one that is too long the end: what tells the containers of a deployment apart, whose processes
/// all have the same id.
fn default_id(host: &str, process: u32) -> String {
    let (mut host, process) = (host.replace(char::is_control, ""), format!("-{process}"));
    let excess = (host.len() + process.len()).saturating_sub(Id::MAX_LEN);
    host.drain(..host.ceil_char_boundary(excess));
    host + &process
}

fn key(given: &str) -> Result<String, String> {
    text(given, Key::new(given).is_ok(), 1, Key::MAX_LEN)
}

fn id(given: &str) -> Result<String, String> {
    text(given, Id::new(given).is_ok(), 1, Id::MAX_LEN)
}

fn value(given: &str) -> Result<String, String> {
    text(given, Value::new(given).is_ok(), 0, Value::MAX_LEN)
}

fn text(given: &str, fits: bool, least: usize, most: usize) -> Result<String, String> {
    let wrong = || format!("allowed is {least} to {most} bytes of UTF-8 without control characters");
    fits.then(|| given.to_owned()).ok_or_else(wrong)
}

fn address(given: &str) -> Result<SocketAddr, String> {
    let port =
        given.strip_prefix(':').unwrap_or(given).parse().map(|port| (IpAddr::V4(Ipv4Addr::LOCALHOST), port).into());
    port.or_else(|_| given.parse())
        .map_err(|_| "allowed is a port, as in `9187`, or an address and a port, as in `0.0.0.0:9187`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods of a deployment, say: the same beginning, and the same process.
    #[test]
    fn hosts_that_differ_have_ids_that_differ() {
        let pods = ["nightly-backup-7d9f8b6c5-x2x7z", "nightly-backup-7d9f8b6c5-q8k4m"];
        assert_eq!(pods.map(|pod| default_id(pod, 1)), pods.map(|pod| format!("{pod}-1")));
        for long in ["a".repeat(300), "日".repeat(100), format!("a{}", "日".repeat(100)), "\u{7}".repeat(300)] {
            let [one, other] = ["x", "y"].map(|end| default_id(&format!("{long}{end}"), u32::MAX));
            assert!(one != other && one.ends_with("x-4294967295"), "{one}");
            assert!(Id::new(&*one).is_ok() && (one.len() < 20 || one.len() > Id::MAX_LEN - 4), "{one}");
        }
    }
}
