//! What is counted of a run, and of many.

use std::time::Duration;

use crate::reached::Reached;

/// Of one run, or of several together.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// How long it was, in true time.
    pub simulated: Duration,
    /// How often two answered at one time that they lead.
    pub overlaps: u64,
    /// For how long.
    pub overlapped: Duration,
    /// The longest of these.
    pub longest: Duration,
    /// Writes of a former leader that the resource accepted after one of a later leader.
    pub stale_writes: u64,
    /// Writes that the resource refused.
    pub refused_writes: u64,
    /// For how long somebody led, of the keys' time.
    pub led: Duration,
    /// The keys' time: as long as the run, for each key.
    pub key_time: Duration,
    /// How often somebody was elected.
    pub elections: u64,
    /// Requests sent.
    pub requests: u64,
    /// Things that happened.
    pub events: u64,
    /// What it got into.
    pub reached: Reached,
}

impl Counts {
    /// Together with these.
    pub fn add(&mut self, other: &Self) {
        self.simulated += other.simulated;
        self.overlaps += other.overlaps;
        self.overlapped += other.overlapped;
        self.longest = self.longest.max(other.longest);
        self.stale_writes += other.stale_writes;
        self.refused_writes += other.refused_writes;
        self.led += other.led;
        self.key_time += other.key_time;
        self.elections += other.elections;
        self.requests += other.requests;
        self.events += other.events;
        self.reached.add(&other.reached);
    }
}
