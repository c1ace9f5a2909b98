//! What can be asked for on the command line.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Real processes lose their leader in every way there is.

Usage: cargo run --example failover -- [options]

  --processes <number>   how many processes campaign, 2 to 32 (default 3)
  --ttl <duration>       how long a lease lasts, 200ms to 60s (default 2s)
  --rounds <number>      how often the leader is killed, resigns and is frozen, 1 to 1000 (default 3)
  --storage <url>        keep the leases there instead of in a file: postgres://user:password@host/database, mysql://..,
                         redis://.., etcd://.., nats://.., s3://bucket, or a lease service: https://token@host (http:// here). It takes
                         a build with that storage: cargo run --features postgres (mysql, redis, etcd, nats, objects, http)
                         --example failover.
                         LESSOR_STORAGE may have the URL too, where nobody else sees the secret. A Redis that is new to
                         this grants nothing for a minute
  --keep                 keep the folder with the database and the notes
  --break <what>         fence: write without asking the fence
                         belief: believe in a flag instead of asking the library
                         Either has to end in failed checks. That is how you see that they can fail.
  --help                 this text
";

/// The variable that may have the URL.
pub(crate) const STORAGE: &str = "LESSOR_STORAGE";

const TTL: RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) processes: u32,
    pub(crate) ttl: Duration,
    pub(crate) rounds: u32,
    /// A URL.
    pub(crate) storage: Option<String>,
    pub(crate) keep: bool,
    pub(crate) broken: Option<Broken>,
}

/// What a process does wrong on purpose.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Broken {
    Fence,
    Belief,
}

impl Broken {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Belief => "belief",
        }
    }
}

/// What one of the processes is told when it is started.
pub(crate) struct NodeOptions {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) storage: Option<String>,
    pub(crate) ttl: Duration,
    pub(crate) broken: Option<Broken>,
}

pub(crate) enum Mode {
    Help,
    Demonstration(Options),
    Node(NodeOptions),
}

/// An option with a value that it does not take.
struct Wrong {
    option: &'static str,
    given: OsString,
    allowed: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, given, allowed } = self;
        write!(f, "{option} is {}, allowed is {allowed}", given.display())
    }
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Wrong {}

pub(crate) fn from_args() -> Result<Mode, lexopt::Error> {
    let mut args = lexopt::Parser::from_env();
    let mut options = Options {
        processes: 3,
        ttl: Duration::from_secs(2),
        rounds: 3,
        storage: env::var(STORAGE).ok(),
        keep: false,
        broken: None,
    };
    // Hidden: with them this program is one of the processes.
    let (mut node, mut folder) = (None, None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("processes") => {
                options.processes =
                    checked(&mut args, "--processes", "a number from 2 to 32", |text| number(text, 2..=32))?;
            }
            Long("rounds") => {
                options.rounds =
                    checked(&mut args, "--rounds", "a number from 1 to 1000", |text| number(text, 1..=1000))?;
            }
            Long("ttl") => {
                let allowed = "200ms to 60s, as in `500ms`, `2s` or `1.5` (seconds)";
                let ttl = |text: &str| duration(text).filter(|ttl| TTL.contains(ttl));
                options.ttl = checked(&mut args, "--ttl", allowed, ttl)?;
            }
            Long("break") => {
                let broken = |text: &str| [Broken::Fence, Broken::Belief].into_iter().find(|it| it.as_str() == text);
                options.broken = Some(checked(&mut args, "--break", "`fence` or `belief`", broken)?);
            }
            Long("storage") => options.storage = Some(args.value()?.string()?),
            Long("keep") => options.keep = true,
            Long("node") => node = Some(args.value()?.string()?),
            Long("folder") => folder = Some(PathBuf::from(args.value()?)),
            Long("help") | Short('h') => return Ok(Mode::Help),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(match (node, folder) {
        (Some(name), Some(folder)) => {
            let Options { ttl, broken, storage, .. } = options;
            Mode::Node(NodeOptions { name, folder, storage, ttl, broken })
        }
        _ => Mode::Demonstration(options),
    })
}

/// The value of an option, or an error that says what was given and what is allowed.
fn checked<T>(
    args: &mut lexopt::Parser,
    option: &'static str,
    allowed: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, lexopt::Error> {
    let given = args.value()?;
    let value = given.to_str().and_then(parse);
    value.ok_or_else(|| lexopt::Error::Custom(Box::new(Wrong { option, given, allowed })))
}

fn number(text: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| allowed.contains(number))
}

/// `2s`, `500ms`, or a number of seconds.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let number: f64 = number.trim().parse().ok()?;
    // To whole milliseconds, as a storage counts.
    let rounded = Duration::try_from_secs_f64(number * unit).ok()?;
    Some(Duration::from_millis(u64::try_from(rounded.as_micros().div_ceil(1000)).ok()?))
}
