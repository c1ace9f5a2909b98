//! What a process says of itself, a line at a time.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// How many keys it leads.
    pub(crate) leads: u64,
    /// How many processes it knows of.
    pub(crate) processes: u64,
    /// How many requests it has made so far, and in how many bursts.
    pub(crate) requests: u64,
    pub(crate) bursts: u64,
    /// How many reigns have begun here so far, and how many have ended.
    pub(crate) gained: u64,
    pub(crate) lost: u64,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leads, processes, requests, bursts, gained, lost } = self;
        write!(f, "{leads} {processes} {requests} {bursts} {gained} {lost}")
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[leads, processes, requests, bursts, gained, lost]) => {
                Ok(Self { leads, processes, requests, bursts, gained, lost })
            }
            _ => Err(format!("a process said {line:?}")),
        }
    }
}
