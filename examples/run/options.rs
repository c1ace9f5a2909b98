//! What can be asked for on the command line.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use lessor::{Config, Id, Key, Value as Published};
use lexopt::prelude::*;

use crate::leash;

pub(crate) const HELP: &str = "\
Runs a command only while this process leads: of many, one at a time.

Usage: cargo run --example run -- [options] [--] <command> [arguments]

  --key <text>           what is led, 1 to 256 bytes; required
  --storage <url>        where the leases are; required: a file, postgres://user:password@host/database, mysql://..,
                         redis://.., etcd://.., or a lease service: https://token@host. What is no file takes a build with
                         that storage: cargo run --features postgres (mysql, redis, etcd, http) --example run.
                         LESSOR_STORAGE may have the URL instead, where no other user of the machine sees the secret
  --ttl <duration>       how long a lease lasts, 500ms to 24h (default 10s)
  --grace <duration>     how long the command has from SIGTERM to SIGKILL, 0 to 2/5 of the ttl (default 1/5 of it)
  --wait <duration>      how long to wait for leadership; 0: try once (default: no limit)
  --timeout <duration>   the longest the command may run (default: as long as it likes)
  --restart              run it again whenever it ends; after a loss, when this process leads again
  --pause <duration>     the pause before that, 10ms to 24h (default 1s); after failures it doubles, up to 64 times
  --id <text>            what people call this process, 1 to 128 bytes (default: host and process id)
  --value <text>         what to publish with the lease, up to 4096 bytes
  --quiet                say nothing but errors
  --help                 this text

Durations are written as 500ms, 2s, 1.5 (seconds), 5m or 1h.

The command finds LESSOR_TERM, LESSOR_KEY and LESSOR_ID in its environment. SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and
SIGUSR2 are passed on to its process group. What it leaves running in that group is killed when it ends.

Exit codes: that of the command, 128 + n where signal n ended it (or, without a command, this process), and
  120  an option is wrong          124  --timeout has passed, the command was ended
  121  not elected within --wait   125  this program failed
  122  leadership was lost, the    126  the command cannot be started
       command was ended           127  there is no such command
  123  the storage fails
";

/// The variable that may have the URL.
pub(crate) const STORAGE: &str = "LESSOR_STORAGE";

const TTL: RangeInclusive<Duration> = Duration::from_millis(500)..=DAY;
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(10)..=DAY;
const DAY: Duration = Config::MAX_DURATION;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) key: String,
    /// A URL.
    pub(crate) storage: String,
    pub(crate) id: String,
    pub(crate) value: Option<String>,
    pub(crate) ttl: Duration,
    pub(crate) grace: Duration,
    pub(crate) wait: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    /// The first pause between two runs.
    pub(crate) restart: Option<Duration>,
    pub(crate) quiet: bool,
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
}

impl Options {
    /// How long before the deadline the command is killed: a process takes a moment to die.
    pub(crate) fn reserve(&self) -> Duration {
        self.ttl / 20
    }
}

pub(crate) enum Mode {
    Help,
    /// Hidden: with it this program is the leash of a command.
    Leash,
    Run(Box<Options>),
}

/// An option with a value that it does not take.
#[derive(Debug)]
struct Wrong {
    option: &'static str,
    given: OsString,
    allowed: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, given, allowed } = self;
        write!(f, "{option} is {:?}, allowed is {allowed}", given.display().to_string())
    }
}

impl Error for Wrong {}

pub(crate) fn from_args() -> Result<Mode, lexopt::Error> {
    let mut args = lexopt::Parser::from_env();
    let (mut key, mut storage, mut id, mut value) = (None, env::var(STORAGE).ok(), None, None);
    let (mut ttl, mut grace, mut wait, mut timeout) = (Duration::from_secs(10), None, None, None);
    let (mut restart, mut pause, mut quiet, mut command) = (false, Duration::from_secs(1), false, None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("key") => key = Some(text(&mut args, "--key", 1..=Key::MAX_LEN, |text| Key::new(text).is_ok())?),
            Long("id") => id = Some(text(&mut args, "--id", 1..=Id::MAX_LEN, |text| Id::new(text).is_ok())?),
            Long("value") => {
                let allowed = 0..=Published::MAX_LEN;
                value = Some(text(&mut args, "--value", allowed, |text| Published::new(text).is_ok())?);
            }
            Long("storage") => storage = Some(args.value()?.string()?),
            Long("ttl") => ttl = duration(&mut args, "--ttl", TTL)?,
            Long("grace") => grace = Some(args.value()?),
            Long("wait") => wait = Some(duration(&mut args, "--wait", Duration::ZERO..=Duration::MAX)?),
            Long("timeout") => timeout = Some(duration(&mut args, "--timeout", Duration::ZERO..=Duration::MAX)?),
            Long("restart") => restart = true,
            Long("pause") => pause = duration(&mut args, "--pause", PAUSE)?,
            Long("quiet") | Short('q') => quiet = true,
            Long("help") | Short('h') => return Ok(Mode::Help),
            Long(leash::OPTION) => return Ok(Mode::Leash),
            // What follows is the command's, whatever it looks like.
            Value(program) => {
                command = Some((program, args.raw_args()?.collect()));
                break;
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let missing = |what: &str| lexopt::Error::Custom(what.into());
    let grace = match grace {
        Some(given) => parsed("--grace", given, Duration::ZERO..=ttl * 2 / 5)?,
        None => ttl / 5,
    };
    let (program, arguments) = command.ok_or_else(|| missing("the command is missing: .. -- <command>"))?;
    Ok(Mode::Run(Box::new(Options {
        key: key.ok_or_else(|| missing("--key is missing"))?,
        storage: storage.ok_or_else(|| missing("--storage is missing, and LESSOR_STORAGE, too"))?,
        id: id.unwrap_or_else(default_id),
        value,
        ttl,
        grace,
        wait,
        timeout,
        restart: restart.then_some(pause),
        quiet,
        program,
        arguments,
    })))
}

fn default_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().replace(char::is_control, "");
    format!("{}-{}", host.chars().take(16).collect::<String>(), std::process::id())
}

fn text(
    args: &mut lexopt::Parser,
    option: &'static str,
    allowed: RangeInclusive<usize>,
    fits: impl Fn(&str) -> bool,
) -> Result<String, lexopt::Error> {
    let given = args.value()?;
    let text = given.to_str().filter(|text| fits(text)).map(str::to_owned);
    let (least, most) = allowed.into_inner();
    let allowed = || format!("{least} to {most} bytes of UTF-8 without control characters");
    text.ok_or_else(|| lexopt::Error::Custom(Box::new(Wrong { option, given, allowed: allowed() })))
}

fn duration(
    args: &mut lexopt::Parser,
    option: &'static str,
    allowed: RangeInclusive<Duration>,
) -> Result<Duration, lexopt::Error> {
    parsed(option, args.value()?, allowed)
}

fn parsed(option: &'static str, given: OsString, allowed: RangeInclusive<Duration>) -> Result<Duration, lexopt::Error> {
    let value = given.to_str().and_then(parse).filter(|value| allowed.contains(value));
    let (least, most) = allowed.into_inner();
    let range = match most {
        Duration::MAX => "any".to_owned(),
        DAY => format!("{least:?} to 24h"),
        most => format!("{least:?} to {most:?}"),
    };
    let allowed = || format!("{range}, as in `500ms`, `2s`, `1.5` (seconds), `5m` or `1h`");
    value.ok_or_else(|| lexopt::Error::Custom(Box::new(Wrong { option, given, allowed: allowed() })))
}

fn parse(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let (number, unit) = units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))?;
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}
