//! `lessor watch`: hand-overs, as they come.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use serde::Serialize;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep_until};

use crate::duration;
use crate::exit::Exit;
use crate::follow::{Change, Follower, News};
use crate::output::{self, Output, OutputArguments, say};
use crate::screen::{Ends, Screen};
use crate::seen::{self, Seen, State};
use crate::storage::Asked;

/// How often the screen is drawn at most.
const DRAWN: Duration = Duration::from_millis(200);
/// How often it is looked whether anybody reads.
const READ: Duration = Duration::from_secs(1);
/// How many changes stay on the screen.
const KEPT: usize = 100;

/// Show hand-overs as they come: a table in a terminal, lines elsewhere
///
/// Storages that wake their candidates wake this, too. The keys themselves, and what no storage tells, are looked for at intervals.
/// Terms that came and went between two looks are counted.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How the keys begin
    #[arg(default_value = "")]
    prefix: String,
    /// How often all keys are looked at
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Lines, also in a terminal
    #[arg(long)]
    lines: bool,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    output: OutputArguments,
}

fn interval(text: &str) -> Result<Duration, String> {
    let each = duration::parse(text)?;
    if each < Duration::from_millis(50) { Err("allowed is 50ms and more".to_owned()) } else { Ok(each) }
}

/// A change, for programs.
#[derive(Serialize)]
struct Line<'a> {
    /// When it was seen.
    at: String,
    change: Change,
    unseen_terms: Option<u64>,
    #[serde(flatten)]
    seen: Seen<'a>,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let Arguments { prefix, interval, lines, asked, output: OutputArguments { output } } = arguments;
    let mut follower = Follower::new(asked.connect().await?, prefix.clone(), interval);
    if output == Output::Text && !lines && std::io::stdout().is_terminal() {
        return on_screen(&mut follower, &prefix).await;
    }
    let mut end = std::pin::pin!(over());
    let (mut first, mut fails) = (true, false);
    loop {
        let news = tokio::select! {
            biased;
            over = &mut end => return over,
            news = follower.next(std::future::pending::<Infallible>()) => news.unwrap_or_else(|never| match never {}),
        };
        let news = match news {
            Err(error) if first => return Err(error),
            Err(error) => {
                if !fails {
                    say(format_args!("lessor: {error}; looks again each {}", duration::shown(interval)));
                }
                fails = true;
                continue;
            }
            Ok(news) => news,
        };
        (first, fails) = (false, false);
        for News { key, change, unseen, lease } in &news {
            match output {
                Output::Json => {
                    let seen = Seen::new(key, Some(lease));
                    output::write_json(&Line {
                        at: seen::rfc3339(Utc::now()),
                        change: *change,
                        unseen_terms: *unseen,
                        seen,
                    })?;
                }
                Output::Text => output::write(|out| {
                    writeln!(out, "{} {}", seen::local(Utc::now()), line(&news_of(key, *change, *unseen, lease)))
                })?,
            }
        }
    }
}

/// Somebody wants no more, or nobody reads it: a pipe tells that to who writes, and there may be nothing to write for long.
async fn over() -> Result<ExitCode, Exit> {
    let mut looks = tokio::time::interval(READ);
    let unread = async {
        loop {
            looks.tick().await;
            if output::is_unread() {
                return Err(Exit::Unread);
            }
        }
    };
    tokio::select! {
        _ = ctrl_c() => Ok(ExitCode::SUCCESS),
        unread = unread => unread,
    }
}

fn news_of(key: &lessor::Key, change: Change, unseen: Option<u64>, lease: &lessor::Lease) -> News {
    News { key: key.clone(), change, unseen, lease: lease.clone() }
}

/// In words.
fn line(News { key, change, unseen, lease }: &News) -> String {
    let state = State::of(Some(lease));
    let what = match (change, state) {
        (Change::Granted, _) => format!("granted to {} in", seen::leader(lease)),
        (Change::Seen, State::Led) => format!("led by {} in", seen::leader(lease)),
        (Change::Seen, state) => format!("{} in", state.words()),
        (change, _) => format!("{} in", change.words()),
    };
    let whose = if state == State::Expired { format!(", of {}", seen::leader(lease)) } else { String::new() };
    let unseen = match unseen {
        None | Some(0) => String::new(),
        Some(1) => " (and one term before that was not seen)".to_owned(),
        Some(count) => format!(" (and {count} terms before that were not seen)"),
    };
    format!("{} {what} term {}{whose}{unseen}", seen::plain(key.as_str()), lease.term)
}

async fn on_screen(follower: &mut Follower, prefix: &str) -> Result<ExitCode, Exit> {
    let mut ends = Ends::catch().map_err(Exit::failed)?;
    let mut screen: Option<Screen> = None;
    let (mut lately, mut why) = (VecDeque::new(), None);
    let (mut draws_at, mut is_new) = (Instant::now(), true);
    loop {
        // As it comes, but not faster than one can look; and the time that is left, each second.
        let due = if is_new { draws_at } else { draws_at + Duration::from_secs(1) - DRAWN };
        let until = async {
            match screen {
                Some(_) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let news = tokio::select! {
            biased;
            code = ends.next() => return Ok(code),
            news = follower.next(until) => news,
        };
        match news {
            Err(()) => {}
            Ok(Err(error)) if screen.is_none() => return Err(error),
            Ok(Err(error)) => (why, is_new) = (Some(error.to_string()), true),
            Ok(Ok(news)) => {
                is_new |= !news.is_empty() || why.is_some();
                why = None;
                // What was there before this began is no news.
                let news = news.iter().filter(|news| screen.is_some() || news.change != Change::Seen);
                lately.extend(news.map(|news| format!("{} {}", seen::local(Utc::now()), line(news))));
                lately.drain(..lately.len().saturating_sub(KEPT));
            }
        }
        let now = Instant::now();
        if screen.is_none() || now >= due {
            let screen = match &mut screen {
                Some(screen) => screen,
                none => none.insert(Screen::open().map_err(Exit::failed)?),
            };
            screen.draw(prefix, follower.known(), &lately, why.as_deref()).map_err(Exit::failed)?;
            (draws_at, is_new) = (now + DRAWN, false);
        }
    }
}
