//! What there is to see of a key in a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Window;
use crate::trace::{Trace, What};

/// All of it. Lanes are counted among those of the key.
#[derive(Debug, Default)]
pub struct Scene<'a> {
    /// The names of its candidates.
    pub lanes: Vec<&'a str>,
    /// Who answered that it leads, and when.
    pub reigns: Vec<Reign>,
    /// When more than one did.
    pub overlaps: Vec<Overlap>,
    /// When more than one did that could be asked.
    pub clashes: Vec<Clash>,
    /// What the storage said.
    pub holds: Vec<Hold>,
    /// What was asked.
    pub calls: Vec<Call>,
    /// What was wrong.
    pub faults: Vec<Fault>,
    /// What reached the resource.
    pub writes: Vec<Wrote>,
    /// The promises that were broken.
    pub broken: Vec<Broken<'a>>,
    /// The longest that was ever promised.
    pub lease: Duration,
    /// When the last thing happened.
    pub end: Duration,
}

/// From one answer of a candidate that it leads to the next that it does not; `None`: there was none.
#[derive(Debug)]
pub struct Reign {
    /// Whose it is.
    pub lane: usize,
    /// In which term (0: the protocol has none).
    pub term: u64,
    /// Since when.
    pub from: Duration,
    /// Until when.
    pub until: Option<Duration>,
}

/// More than one candidate leads.
#[derive(Debug)]
pub struct Overlap {
    /// How many, at most.
    pub leaders: usize,
    /// Since when.
    pub from: Duration,
    /// Until when.
    pub until: Option<Duration>,
}

/// More than one candidate leads and does not stand still: what they do gets in each other's way.
#[derive(Debug)]
pub struct Clash {
    /// All who took part in it.
    pub lanes: Vec<usize>,
    /// Since when.
    pub from: Duration,
    /// Until when.
    pub until: Option<Duration>,
}

/// What the storage says, renewals included.
#[derive(Debug)]
pub struct Hold {
    /// `None`: nobody's.
    pub lane: Option<usize>,
    /// In which term (0: the protocol has none).
    pub term: u64,
    /// Since when.
    pub from: Duration,
    /// When something else was written.
    pub replaced: Option<Duration>,
    /// Whether that was the lease of another.
    pub robbed: bool,
    /// Until when it was promised at last.
    pub lease: Duration,
}

impl Hold {
    /// When it was over, one way or the other.
    pub fn over(&self) -> Duration {
        self.replaced.map_or(self.lease, |at| at.min(self.lease))
    }
}

/// A request and what became of it.
#[derive(Debug)]
pub struct Call {
    /// Whose it is.
    pub lane: usize,
    /// What.
    pub operation: &'static str,
    /// When.
    pub sent: Duration,
    /// Each time that the storage did it.
    pub applied: Vec<Applied>,
    /// When its candidate heard of it.
    pub replied: Option<Duration>,
    /// Whether the request was lost on the way.
    pub lost: bool,
    /// How much it matters.
    pub weight: Weight,
}

/// How much a call matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Somebody who does not lead asked, and nothing came of it.
    Poll,
    /// A leader did, or a lease was extended.
    Usual,
    /// Somebody else holds the key from here on, or nobody.
    Change,
}

/// The storage did what was asked.
#[derive(Debug)]
pub struct Applied {
    /// When.
    pub at: Duration,
    /// Of each part of a batch.
    pub answers: Vec<&'static str>,
    /// Whether the reply was lost on the way.
    pub reply_lost: bool,
}

impl Call {
    /// The application whose reply arrived, if it was one: an error does not come from the storage.
    pub fn answered(&self) -> Option<&Applied> {
        let replied = self.replied?;
        self.applied.iter().find(|applied| applied.at <= replied && !applied.reply_lost)
    }

    /// The last moment of it.
    pub fn over(&self) -> Duration {
        let applied = self.applied.iter().map(|applied| applied.at);
        applied.chain(self.replied).fold(self.sent, Duration::max)
    }
}

/// Of a candidate, or of the storage.
#[derive(Debug)]
pub struct Fault {
    /// Whose it is.
    pub lane: Option<usize>,
    /// What.
    pub name: &'static str,
    /// Since when.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
}

/// A write at the resource.
#[derive(Debug)]
pub struct Wrote {
    /// Whose it is.
    pub lane: usize,
    /// In which term (0: the protocol has none).
    pub term: u64,
    /// When.
    pub at: Duration,
    /// Whether the resource took it.
    pub accepted: bool,
    /// Whether it had taken one of a later reign before.
    pub stale: bool,
}

/// A broken promise.
#[derive(Debug)]
pub struct Broken<'a> {
    /// Which.
    pub rule: &'static str,
    /// How.
    pub text: &'a str,
    /// When.
    pub at: Duration,
}

impl<'a> Scene<'a> {
    /// What a trace has of this key.
    pub fn new(trace: &'a Trace, key: usize) -> Self {
        let mut lane_of = Vec::new();
        let mut scene = Self::default();
        for candidate in &trace.candidates {
            lane_of.push((candidate.key == key).then_some(scene.lanes.len()));
            if candidate.key == key {
                scene.lanes.push(&candidate.name);
            }
        }
        let lane_of = |candidate: usize| lane_of.get(candidate).copied().flatten();
        // A batch is noted once, as its first candidate's; those of one process are called the same.
        let batch_of = |candidate: usize, lanes: &[&str]| {
            let name = &trace.candidates.get(candidate)?.name;
            lanes.iter().position(|lane| lane == name)
        };
        let mut calls = BTreeMap::new();
        let (mut applied, mut answering) = (None, Vec::new());
        for entry in &trace.entries {
            let at = entry.at;
            scene.end = scene.end.max(at);
            match &entry.what {
                What::Leads { candidate, term } => {
                    if let Some(lane) = lane_of(*candidate) {
                        scene.leads(lane, Some(*term), at);
                    }
                }
                What::Follows { candidate } => {
                    if let Some(lane) = lane_of(*candidate) {
                        scene.leads(lane, None, at);
                    }
                }
                What::Answers { candidate, leads } => {
                    if let Some(lane) = lane_of(*candidate) {
                        answering.retain(|other| *other != lane);
                        answering.extend(leads.then_some(lane));
                        scene.clash(&answering, at);
                    }
                }
                What::Holds { key: of, candidate, term, until } if *of == key => {
                    let change = scene.holds(candidate.and_then(lane_of), *term, at, *until);
                    if let Some(call) = applied {
                        let call: &mut Call = &mut scene.calls[call];
                        call.weight = call.weight.max(if change { Weight::Change } else { Weight::Usual });
                    }
                }
                What::Holds { .. } => {}
                What::Revoked { key: of } if *of == key => {
                    scene.faults.push(Fault { lane: None, name: "revoked", from: at, until: at });
                }
                What::Revoked { .. } | What::Place { .. } | What::Asked { .. } => {}
                What::Sent { call, candidate, operation } => {
                    let batch = || (*operation == "batch").then(|| batch_of(*candidate, &scene.lanes)).flatten();
                    if let Some(lane) = lane_of(*candidate).or_else(batch) {
                        calls.insert(*call, scene.calls.len());
                        scene.sent(lane, operation, at);
                    }
                }
                What::Applied { call, answer } => {
                    applied = calls.get(call).copied();
                    if let Some(call) = applied {
                        scene.calls[call].apply(at, answer);
                    }
                }
                What::Lost { call, request } => {
                    if let Some(call) = calls.get(call) {
                        let call = &mut scene.calls[*call];
                        match call.applied.last_mut() {
                            Some(applied) if !request => applied.reply_lost = true,
                            _ => call.lost = true,
                        }
                    }
                }
                What::Replied { call } => {
                    if let Some(call) = calls.get(call) {
                        scene.calls[*call].replied.get_or_insert(at);
                    }
                }
                What::Fault { candidate, fault, until } => {
                    let lane = candidate.and_then(lane_of);
                    if lane.is_some() || candidate.is_none() {
                        scene.faults.push(Fault { lane, name: fault, from: at, until: *until });
                    }
                }
                What::Wrote { candidate, term, accepted, stale } => {
                    if let Some(lane) = lane_of(*candidate) {
                        scene.writes.push(Wrote { lane, term: *term, at, accepted: *accepted, stale: *stale });
                    }
                }
                What::Broken { rule, text } => scene.broken.push(Broken { rule, text, at }),
            }
        }
        scene
    }

    /// Leaves out what cannot be seen, but for violations.
    pub(super) fn crop(&mut self, window: Window) {
        let goes_on = window.until;
        self.reigns.retain(|reign| window.sees(reign.from, reign.until.unwrap_or(goes_on)));
        self.overlaps.retain(|overlap| window.sees(overlap.from, overlap.until.unwrap_or(goes_on)));
        self.holds.retain(|hold| window.sees(hold.from, if hold.robbed { hold.lease } else { hold.over() }));
        self.calls.retain(|call| window.sees(call.sent, call.over()));
        self.faults.retain(|fault| window.sees(fault.from, fault.until.max(fault.from)));
        self.writes.retain(|write| window.sees(write.at, write.at));
    }

    fn leading(&self) -> impl Iterator<Item = &Reign> {
        self.reigns.iter().filter(|reign| reign.until.is_none())
    }

    fn leads(&mut self, lane: usize, term: Option<u64>, at: Duration) {
        for reign in self.reigns.iter_mut().filter(|reign| reign.lane == lane && reign.until.is_none()) {
            reign.until = Some(at);
        }
        if let Some(term) = term {
            self.reigns.push(Reign { lane, term, from: at, until: None });
        }
        let leaders = self.leading().count();
        match self.overlaps.last_mut().filter(|overlap| overlap.until.is_none()) {
            Some(overlap) if leaders > 1 => overlap.leaders = overlap.leaders.max(leaders),
            // One begins in the moment in which the other ends: that is none.
            Some(overlap) if overlap.from == at => _ = self.overlaps.pop(),
            Some(overlap) => overlap.until = Some(at),
            None if leaders > 1 => self.overlaps.push(Overlap { leaders, from: at, until: None }),
            None => {}
        }
    }

    /// These answer that they lead.
    fn clash(&mut self, answering: &[usize], at: Duration) {
        match self.clashes.last_mut().filter(|clash| clash.until.is_none()) {
            Some(clash) if answering.len() > 1 => {
                let new: Vec<_> = answering.iter().filter(|lane| !clash.lanes.contains(lane)).collect();
                clash.lanes.extend(new);
            }
            // One begins in the moment in which the other ends: that is none.
            Some(clash) if clash.from == at => _ = self.clashes.pop(),
            Some(clash) => clash.until = Some(at),
            None if answering.len() > 1 => {
                self.clashes.push(Clash { lanes: answering.to_vec(), from: at, until: None });
            }
            None => {}
        }
    }

    /// Whether the key changes hands.
    fn holds(&mut self, lane: Option<usize>, term: u64, at: Duration, until: Duration) -> bool {
        self.lease = self.lease.max(until.saturating_sub(at));
        let last = self.holds.last_mut();
        let same = last.as_ref().is_some_and(|last| (last.lane, last.term) == (lane, term));
        match last {
            Some(last) if same && (at <= last.lease || lane.is_none()) => last.lease = until,
            last => {
                if let Some(last) = last {
                    last.replaced = Some(at);
                    last.robbed = lane.is_some() && last.lane.is_some() && last.lane != lane && at < last.lease;
                }
                self.holds.push(Hold { lane, term, from: at, replaced: None, robbed: false, lease: until });
            }
        }
        !same
    }

    fn sent(&mut self, lane: usize, operation: &'static str, sent: Duration) {
        let leads = self.leading().any(|reign| reign.lane == lane);
        let weight = if leads { Weight::Usual } else { Weight::Poll };
        self.calls.push(Call { lane, operation, sent, applied: Vec::new(), replied: None, lost: false, weight });
    }
}

impl Call {
    fn apply(&mut self, at: Duration, answer: &'static str) {
        match self.applied.last_mut() {
            Some(applied) if applied.at == at => applied.answers.push(answer),
            _ => self.applied.push(Applied { at, answers: vec![answer], reply_lost: false }),
        }
    }
}

/// The key that a violation is about. No entry says so: it has to be told from what happened then.
pub(super) fn key_concerned(trace: &Trace) -> Option<usize> {
    let broken = trace.entries.iter().position(|entry| matches!(entry.what, What::Broken { .. }))?;
    let (at, What::Broken { text, .. }) = (trace.entries[broken].at, &trace.entries[broken].what) else { return None };
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let key_of = |candidate: usize| trace.candidates.get(candidate).map(|lane| lane.key);
    let known = |key: &usize| trace.candidates.iter().any(|lane| lane.key == *key);
    let named = words.iter().find_map(|word| word.strip_prefix('k')?.parse().ok()).filter(known);
    let (mut leading, mut senders) = (BTreeMap::new(), BTreeMap::new());
    let (mut doing, mut last) = (None, None);
    for entry in &trace.entries[..broken] {
        let (key, batch) = match entry.what {
            What::Leads { candidate, term } => {
                leading.insert(candidate, term);
                (key_of(candidate), false)
            }
            What::Follows { candidate } => {
                leading.remove(&candidate);
                (key_of(candidate), false)
            }
            What::Sent { call, candidate, operation } => {
                // A batch is noted as one of its candidates'.
                let of = (key_of(candidate), operation == "batch");
                senders.insert(call, of);
                of
            }
            What::Applied { call, .. } | What::Lost { call, .. } | What::Replied { call } => {
                senders.get(&call).copied().unwrap_or((None, true))
            }
            What::Wrote { candidate, .. } => (key_of(candidate), false),
            What::Holds { key, .. } | What::Revoked { key } => (Some(key), false),
            What::Answers { .. }
            | What::Place { .. }
            | What::Asked { .. }
            | What::Fault { .. }
            | What::Broken { .. } => continue,
        };
        last = key.or(last);
        doing = key.filter(|_| entry.at == at && !batch);
    }
    // By who leads, if the text has both the name and the term.
    let mut leaders = leading.iter().filter(|(candidate, term)| {
        let name = trace.candidates.get(**candidate).and_then(|lane| lane.name.split(' ').next());
        name.is_some_and(|name| words.contains(&name)) && words.contains(&term.to_string().as_str())
    });
    named.or(doing).or_else(|| leaders.find_map(|(candidate, _)| key_of(*candidate))).or(last)
}
