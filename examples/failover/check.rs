//! What is proved by the notes, and how.
//!
//! # Never two leaders
//! A note `Leads { before, after }` says: at some instant between these two readings of the machine's one clock the
//! library answered that this process leads. The process may have been frozen before, amidst or after the answer, for
//! any time, so nothing is known but that one instant lies in between. Between the first and the last such instant of
//! one term the process believed all along: a term that has ended never comes back (which is checked, too). Therefore
//! the belief covers *at least* the time from `after` of the first note to `before` of the last one. Only that is
//! counted, and whatever overlaps then is wrong for certain.
//!
//! It can fail, since it is not shortened by more than that: each process asks every millisecond, also when it has just
//! been woken. Whoever believes a few milliseconds too long has a note whose `before` lies within the next one's reign.
//! `--break belief` shows it.
//!
//! # Only the newest term writes
//! The database numbers the writes in the order in which they are committed. Their terms must never fall; `--break
//! fence` shows what happens otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ledger::Entry;
use crate::note::Note;

pub(crate) struct Checked {
    pub(crate) summary: String,
    pub(crate) wrong: Vec<String>,
}

/// For how long at least a process believed that it leads in a term.
struct Belief<'a> {
    node: &'a str,
    term: i64,
    /// Before the first answer.
    earliest: Duration,
    from: Duration,
    to: Duration,
    notes: usize,
}

pub(crate) fn check(entries: &[Entry], notes: &[(String, Vec<Note>)], freezes: u32) -> Checked {
    let mut wrong = Vec::new();
    let mut beliefs = beliefs(notes, &mut wrong);
    let terms = check_holders(entries, &beliefs, &mut wrong);
    check_order(&mut beliefs, &mut wrong);
    check_overlaps(&mut beliefs, &mut wrong);
    check_halves(notes, &beliefs, &mut wrong);
    check_writes(entries, &mut wrong);

    let accepted = entries.iter().filter(|entry| entry.accepted).count();
    let refused = entries.len() - accepted;
    // Each freeze left a process amidst a write that had to be refused.
    if u32::try_from(refused).unwrap_or(u32::MAX) < freezes {
        wrong.push(format!("leaders frozen amidst a write: {freezes}, but writes refused: {refused}"));
    }
    let asked: usize = beliefs.iter().map(|belief| belief.notes).sum();
    let processes = notes.len();
    let verdict = if wrong.is_empty() { "it holds" } else { "it does NOT hold" };
    let summary = format!(
        "checked: {accepted} writes accepted, {refused} stale refused; {terms} terms of {processes} processes; \
         {asked} notes of belief\n\
         checked: terms only grow, no stale write is accepted, each term has one holder, \
         never two leaders at a time: {verdict}"
    );
    Checked { summary, wrong }
}

fn beliefs<'a>(notes: &'a [(String, Vec<Note>)], wrong: &mut Vec<String>) -> Vec<Belief<'a>> {
    let mut beliefs: Vec<Belief<'_>> = Vec::new();
    for (node, notes) in notes {
        let mut present: Option<Belief<'_>> = None;
        let mut over = BTreeSet::new();
        for note in notes {
            match *note {
                Note::Leads { term, before, after } => {
                    if over.contains(&term) {
                        wrong.push(format!("{node} believed in term {term} again after it was over"));
                    }
                    match &mut present {
                        Some(belief) if belief.term == term => {
                            belief.to = before;
                            belief.notes += 1;
                        }
                        _ => {
                            let next = Belief { node, term, earliest: before, from: after, to: before, notes: 1 };
                            if let Some(last) = present.replace(next) {
                                over.insert(last.term);
                                beliefs.push(last);
                            }
                        }
                    }
                }
                Note::Over { term, .. } => {
                    over.insert(term);
                    beliefs.extend(present.take());
                }
                _ => {}
            }
        }
        beliefs.extend(present);
    }
    beliefs
}

/// A later term begins later. The first answer lies between `earliest` and `from`.
fn check_order(beliefs: &mut [Belief<'_>], wrong: &mut Vec<String>) {
    beliefs.sort_by_key(|belief| belief.term);
    let mut latest: Option<&Belief<'_>> = None;
    for belief in beliefs.iter() {
        if let Some(last) = latest.filter(|last| belief.from < last.earliest && last.term < belief.term) {
            wrong.push(format!(
                "{} began term {} after {} had begun term {}",
                last.node, last.term, belief.node, belief.term
            ));
        }
        if latest.is_none_or(|last| last.earliest < belief.earliest) {
            latest = Some(belief);
        }
    }
}

fn check_overlaps(beliefs: &mut [Belief<'_>], wrong: &mut Vec<String>) {
    beliefs.sort_by_key(|belief| belief.from);
    let mut longest: Option<&Belief<'_>> = None;
    for belief in beliefs.iter() {
        let Belief { node, term, from, to, .. } = belief;
        // A belief that was noted once covers no time: `to` lies before `from`.
        if let Some(last) = longest.filter(|last| *from <= last.to && from <= to) {
            let both = last.to.min(*to).saturating_sub(*from);
            let (other, other_term) = (last.node, last.term);
            wrong.push(format!("two leaders for {both:?}: {other} in term {other_term} and {node} in term {term}"));
        }
        if longest.is_none_or(|last| last.to < *to) {
            longest = Some(belief);
        }
    }
}

/// A yes of one of the two questions excludes another leader, too. All that is known of it is that it lies within its
/// window.
fn check_halves(notes: &[(String, Vec<Note>)], beliefs: &[Belief<'_>], wrong: &mut Vec<String>) {
    for (node, notes) in notes {
        for note in notes {
            let Note::Half { term, before, after } = *note else { continue };
            let within = |other: &&Belief<'_>| other.node != node && other.from <= before && after <= other.to;
            if let Some(other) = beliefs.iter().find(within) {
                let (leader, leads_in) = (other.node, other.term);
                wrong.push(format!(
                    "two leaders: {node} still held to term {term} when {leader} led in term {leads_in}"
                ));
                break;
            }
        }
    }
}

/// How many terms there were.
fn check_holders(entries: &[Entry], beliefs: &[Belief<'_>], wrong: &mut Vec<String>) -> usize {
    let mut holders: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for (term, node) in entries
        .iter()
        .map(|entry| (entry.term, &*entry.node))
        .chain(beliefs.iter().map(|belief| (belief.term, belief.node)))
    {
        holders.entry(term).or_default().insert(node);
    }
    for (term, nodes) in holders.iter().filter(|(_, nodes)| nodes.len() > 1) {
        wrong.push(format!("term {term} had several holders: {nodes:?}"));
    }
    holders.len()
}

fn check_writes(entries: &[Entry], wrong: &mut Vec<String>) {
    let mut newest = 0;
    for Entry { node, term, accepted } in entries {
        match (accepted, *term < newest) {
            (true, true) => wrong.push(format!("{node} wrote in term {term} after a write in term {newest}")),
            (false, false) => {
                wrong.push(format!("a write of {node} in term {term} was refused, though the newest was {newest}"))
            }
            (true, false) => newest = *term,
            (false, true) => {}
        }
    }
}
