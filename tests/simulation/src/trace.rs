//! What happened in a run, for people to look at.
#![allow(missing_docs, reason = "what a variant says names its fields")]

use std::time::Duration;

/// A run that was recorded.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// What was run: the protocol, the seed, the faults.
    pub title: String,
    /// The candidates, by number.
    pub candidates: Vec<Lane>,
    /// What happened, in order.
    pub entries: Vec<Entry>,
}

/// A candidate.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What to call it.
    pub name: String,
    /// The key it campaigns for, by number.
    pub key: usize,
}

/// Something happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The true time since the beginning of the run.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// Something that can happen.
#[derive(Clone, Debug)]
pub enum What {
    /// From now on this candidate answers that it leads, in this term (0: its protocol has none).
    Leads { candidate: usize, term: u64 },
    /// From now on it answers that it does not.
    Follows { candidate: usize },
    /// From now on it can be asked, and answers that it leads; or no more: while it stands still nobody asks it.
    Answers { candidate: usize, leads: bool },
    /// The storage wrote a record: from now on this candidate (`None`: nobody) holds the key in this term, until then
    /// unless something is written before.
    Holds { key: usize, candidate: Option<usize>, term: u64, until: Duration },
    /// The storage wrote the record of a place in a spread: from now on this process (empty: none) holds it, and says that.
    Place { place: usize, holder: String, says: String },
    /// A process sent a request that is about no key.
    Asked { call: u64, process: usize, operation: &'static str },
    /// An operator took the key from whoever held it.
    Revoked { key: usize },
    /// A candidate sent a request, with a number that no other has.
    Sent { call: u64, candidate: usize, operation: &'static str },
    /// A request reached the storage, which applied it and answered so. May happen twice.
    Applied { call: u64, answer: &'static str },
    /// A request (or else its reply) was lost on the way.
    Lost { call: u64, request: bool },
    /// The reply reached the candidate.
    Replied { call: u64 },
    /// Something is wrong with a candidate, or with the storage if `None`, until then. (A clock that steps: at once.)
    Fault { candidate: Option<usize>, fault: &'static str, until: Duration },
    /// A write of this candidate reached the resource, which accepted or refused it. `stale`: a write of a later reign was
    /// accepted before.
    Wrote { candidate: usize, term: u64, accepted: bool, stale: bool },
    /// A promise was broken.
    Broken { rule: &'static str, text: String },
}
