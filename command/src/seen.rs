//! A key and its lease, as they are shown.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Local, SecondsFormat, Utc};
use lessor::{Key, Lease};
use serde::Serialize;

use crate::duration;

/// What is the matter with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Somebody leads.
    Led,
    /// Nobody leads, since the leader did not renew its lease.
    Expired,
    /// Nobody leads, since the leader gave it up.
    Free,
    /// Nobody leads, and most are refused for a while: it is reserved for somebody, or was revoked and its last leader may believe in it yet.
    HeldBack,
    /// Nobody ever led.
    Unknown,
}

impl State {
    pub(crate) fn of(lease: Option<&Lease>) -> Self {
        match lease {
            None => Self::Unknown,
            Some(lease) if lease.is_live() => Self::Led,
            Some(Lease { id: Some(_), .. }) => Self::Expired,
            Some(lease) if lease.time_left.is_zero() => Self::Free,
            Some(_) => Self::HeldBack,
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Led => "led",
            Self::Expired => "expired",
            Self::Free => "free",
            Self::HeldBack => "held back",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) const fn style(self) -> Style {
        match self {
            Self::Led => AnsiColor::Green.on_default(),
            Self::Expired => AnsiColor::Red.on_default(),
            Self::HeldBack => AnsiColor::Yellow.on_default(),
            Self::Free | Self::Unknown => Style::new().dimmed(),
        }
    }
}

/// A key and its lease, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Seen<'a> {
    key: &'a Key,
    state: State,
    /// When the term was granted, by this machine's time of day.
    since: Option<String>,
    lease: Option<&'a Lease>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(key: &'a Key, lease: Option<&'a Lease>) -> Self {
        let since = lease.and_then(|lease| lease.age).map(|age| rfc3339(before(age)));
        Self { key, state: State::of(lease), since, lease }
    }
}

/// So long ago, by this machine's time of day.
pub(crate) fn before(ago: Duration) -> DateTime<Utc> {
    Utc::now() - chrono::Duration::from_std(ago).unwrap_or_default()
}

pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// For people: when it was, where they are.
pub(crate) fn local(moment: DateTime<Utc>) -> String {
    moment.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Who leads, or who led last.
pub(crate) fn leader(lease: &Lease) -> String {
    match &lease.id {
        Some(id) => plain(id.as_str()),
        None => "nobody".to_owned(),
    }
}

/// How long the term is old.
pub(crate) fn age(lease: &Lease) -> String {
    lease.age.map(duration::shown).unwrap_or_default()
}

/// How much is left, of how much.
pub(crate) fn left(lease: &Lease) -> String {
    if lease.time_left.is_zero() {
        return String::new();
    }
    format!("{} of {}", duration::shown(lease.time_left), duration::shown(lease.ttl))
}

/// Text of others, without what a terminal would take for a command.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|char| if is_odd(char) { char.escape_unicode().to_string() } else { char.to_string() }).collect()
}

/// Whether a terminal may take it for a command, or for the other direction of writing.
pub(crate) fn is_odd(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
