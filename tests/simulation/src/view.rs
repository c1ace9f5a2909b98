//! What a process that shares its keys knows of the others: what it was told of them, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lessor::storage::{Acquired, Entry, Renewed, Reply, Request, Version};
use lessor::{Config, Key, Term, Value};

use crate::clock::Nanos;
use crate::message::{Ask, Told};
use crate::plan::nanos;
use crate::reached::Situation;
use crate::rendezvous::{assign, hash};
use crate::sim::World;

/// What one group knows.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// When it began, by its clock.
    pub(crate) began_at: Nanos,
    /// Of each process that was there when it last looked, its weight.
    pub(crate) present: BTreeMap<usize, u32>,
    /// Which process asked for which keys, when it last looked.
    pub(crate) asked: BTreeSet<(usize, usize)>,
    /// Which did since it began, in any of their lives.
    pub(crate) ever_asked: BTreeSet<(usize, usize)>,
    /// How often it has looked.
    pub(crate) looks: u64,
    /// How it saw each place last, and since when by its clock.
    seen: BTreeMap<Key, ((Term, Version), Nanos)>,
    /// Since when it has been there, as it saw by a look that it began when it had its place, by its clock.
    joined_at: Option<Nanos>,
    /// It had its place when it asked who is there, and has not lost it since.
    looks_from_its_place: bool,
    /// When it asked for its place last, or renewed it, by its clock.
    place_asked_at: Nanos,
    /// When its place is lost unless it is renewed, by its clock.
    place_ends: Option<Nanos>,
    /// It has lost its place before.
    has_lost: bool,
    /// When the storage told it so, in true time.
    told_lost_at: Option<Nanos>,
    /// The keys that it asks for, and how many it has asked for since it began.
    pub(crate) wants: BTreeSet<usize>,
    pub(crate) wanted_count: u64,
    /// The keys that it has now.
    keys: BTreeSet<usize>,
    /// When one came or went last, in true time.
    keys_changed_at: Nanos,
}

/// The keys that the value of a place asks for.
fn wants_of(value: Option<&Value>) -> BTreeSet<usize> {
    let words = value.map_or("", Value::as_str).split(' ').skip(1);
    let hashes = words.filter_map(|word| u64::from_str_radix(word, 16).ok());
    hashes.filter_map(|want| (0..10).find(|key| hash(&format!("k{key}")) == want)).collect()
}

impl View {
    /// Its place is lost when that is over, whether or not anybody tells.
    fn pass(&mut self, clock: Nanos) {
        if self.place_ends.take_if(|ends| clock >= *ends).is_some() {
            self.unseat();
        }
    }

    fn unseat(&mut self) {
        (self.joined_at, self.has_lost, self.looks_from_its_place) = (None, true, false);
    }

    fn look(&mut self, entries: &[Entry], own: usize, margin: Duration, clock: Nanos) {
        (self.present, self.asked) = Default::default();
        let before = std::mem::take(&mut self.seen);
        // Of two lives of one process, the lease that lasts longer.
        let mut lasting = BTreeMap::<usize, (Nanos, &Entry)>::new();
        for entry in entries.iter().filter(|entry| entry.lease.is_live()) {
            let version = (entry.lease.term, entry.lease.version);
            let same = before.get(&entry.key).filter(|(seen, _)| *seen == version);
            let since = same.map_or(clock, |(_, since)| *since);
            self.seen.insert(entry.key.clone(), (version, since));
            // Who is there renews: what stands still is over, whatever the storage says.
            let until = (clock + nanos(entry.lease.time_left)).min(since + nanos(entry.lease.ttl + margin));
            let id = entry.lease.id.as_ref().and_then(|id| id.as_str().strip_prefix('p')?.parse().ok());
            let Some(process) = id else { continue };
            // Whichever of two lives it is that counts: who stood still after it read the clock has seen one for longer than is
            // known here.
            self.ever_asked.extend(wants_of(entry.lease.value.as_ref()).into_iter().map(|key| (process, key)));
            if clock >= until {
                continue;
            }
            if lasting.get(&process).is_none_or(|(longest, _)| until > *longest) {
                lasting.insert(process, (until, entry));
            }
        }
        for (process, (_, entry)) in lasting {
            let value = entry.lease.value.as_ref();
            let weight = value.and_then(|value| value.as_str().split(' ').next()?.parse().ok()).unwrap_or(1);
            self.asked.extend(wants_of(value).into_iter().map(|key| (process, key)));
            self.present.insert(process, weight);
        }
        self.looks += 1;
        let is_there = self.looks_from_its_place && self.present.contains_key(&own);
        self.joined_at = self.joined_at.filter(|_| is_there).or_else(|| is_there.then_some(clock));
    }

    /// Who is to lead each key that it has.
    pub(crate) fn shares(&self) -> BTreeMap<usize, usize> {
        assign(&self.keys.iter().copied().collect::<Vec<_>>(), &self.present)
    }
}

impl World {
    /// Whether it is known which keys a process has: not where one comes or goes just now, nor where a thread may stand still
    /// between that and what is told of it.
    pub(crate) fn is_clear(&self, process: usize) -> bool {
        self.views[process].keys_changed_at < self.now && self.plan.faults.stalled == 0.0
    }

    /// Who is to lead each key that a process has, where all is well: then it has all that it is to have.
    pub(crate) fn shares_in_calm(&self, process: usize) -> BTreeMap<usize, usize> {
        let keys: Vec<_> = (0..self.plan.keys).filter(|key| self.plan.has_key(process, *key)).collect();
        assign(&keys, &self.views[process].present)
    }

    /// A process has a new group, or none any more.
    pub(crate) fn forget_view(&mut self, process: usize) {
        let began_at = self.processes[process].clock.at(self.now);
        self.views[process] = View { began_at, keys_changed_at: self.now, ..View::default() };
    }

    /// A candidate of the process of a seat has come, or is gone.
    pub(crate) fn count_key(&mut self, seat: usize, is_there: bool) {
        let (process, key) = (self.seats[seat].process, self.seats[seat].key);
        let view = &mut self.views[process];
        let changed = if is_there { view.keys.insert(key) } else { view.keys.remove(&key) };
        if changed {
            view.keys_changed_at = self.now;
        }
    }

    /// A process sends something that is about no key of it.
    pub(crate) fn asks_of_others(&mut self, process: usize, ask: &Ask) {
        let clock = self.processes[process].clock.at(self.now);
        let Ask::Lessor(requests) = ask else { return };
        let value = match requests.first() {
            Some(Request::Acquire(claim)) => claim.value.as_ref(),
            Some(Request::Renew(renewal)) => renewal.value.as_ref(),
            Some(Request::List(_)) => {
                let view = &mut self.views[process];
                view.pass(clock);
                view.looks_from_its_place = view.place_ends.is_some();
                return;
            }
            _ => return,
        };
        let view = &mut self.views[process];
        view.place_asked_at = clock;
        let wants = wants_of(value);
        view.wanted_count += wants.difference(&view.wants).count() as u64;
        view.wants = wants;
        self.check_wants(process, clock);
    }

    /// An answer gets to a process that is about no key of it.
    pub(crate) fn told_of_others(&mut self, process: usize, told: &Told) {
        let clock = self.processes[process].clock.at(self.now);
        let (Some(spread), Told::Lessor(replies)) = (&self.plan.spread, told) else { return };
        let config = Config::with_ttl(spread.ttl);
        let view = &mut self.views[process];
        let had_lost = view.has_lost;
        view.pass(clock);
        match replies.first() {
            Some(Ok(Reply::Listed(page))) => view.look(&page.entries, process, config.margin, clock),
            // What comes after the end is nobody's.
            Some(Ok(Reply::Renewed(Renewed::Extended { .. }))) if view.place_ends.is_none() => {}
            Some(Ok(Reply::Acquired(Acquired::Granted { .. }) | Reply::Renewed(Renewed::Extended { .. }))) => {
                let ends = view.place_asked_at + nanos(config.ttl - config.margin);
                view.place_ends = Some(ends).filter(|ends| clock < *ends);
            }
            Some(Ok(Reply::Renewed(Renewed::Lost { .. }))) => {
                view.place_ends = None;
                view.unseat();
                view.told_lost_at = Some(self.now);
            }
            _ => {}
        }
        if view.has_lost && !had_lost {
            self.reach(Situation::PlaceLost);
        }
    }

    /// Whether a candidate has to let others go first, since its process is new, or it is not the one that is to lead.
    pub(crate) fn lets_others_go_first(&mut self, process: usize, key: usize) -> bool {
        let spread = self.plan.spread.as_ref().filter(|_| self.plan.member(process).is_some());
        let Some(interval) = spread.map(|spread| nanos(spread.interval())) else { return false };
        let clock = self.processes[process].clock.at(self.now);
        let (is_clear, now) = (self.is_clear(process), self.now);
        let view = &mut self.views[process];
        // Who is late hears late that its place is lost.
        if self.plan.faults.programs_run() {
            view.pass(clock.saturating_sub(self.plan.ttl / 100));
        }
        // What is told in this moment is thought about when all that came in it is taken in.
        if view.told_lost_at == Some(now) {
            return false;
        }
        let settles = if view.has_lost { 2 * interval } else { interval };
        if view.joined_at.is_none_or(|joined| clock < joined + settles) {
            return true;
        }
        is_clear && view.shares().get(&key) != Some(&process)
    }
}
