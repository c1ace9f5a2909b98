//! A recorded run in words: what happened, and how it came that two led, or that a stale write was accepted.

use std::time::Duration;

use crate::plan::Protocol;
use crate::timeline::{Call, Clash, Fault, Hold, Reign, Scene, Wrote};

#[cfg(test)]
mod tests;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Somebody begins to lead, or ends.
    Reign,
    /// The storage's record goes to another, or lapses.
    Lease,
    /// Something goes wrong, or is well again.
    Fault,
    /// A write at the resource.
    Write,
    /// What must not be begins, or is over.
    Break,
    /// A request.
    Message,
}

impl Subject {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reign => "reign",
            Self::Lease => "lease",
            Self::Fault => "fault",
            Self::Write => "write",
            Self::Break => "break",
            Self::Message => "message",
        }
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in true time.
    pub at: Duration,
    /// What it is about.
    pub subject: Subject,
    /// The candidate's lane, if it is one's.
    pub lane: Option<usize>,
    /// In words.
    pub text: String,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// When it began.
    pub from: Duration,
    /// When it was over; at once, if that is `from`. `None`: it was not.
    pub until: Option<Duration>,
    /// What.
    pub head: String,
    /// How it came to that.
    pub text: String,
}

/// Tells what there is to see of a key, of candidates of this protocol.
#[derive(Debug)]
pub struct Story<'a> {
    protocol: Protocol,
    scene: &'a Scene<'a>,
}

impl<'a> Story<'a> {
    /// Of this.
    pub fn new(protocol: Protocol, scene: &'a Scene<'a>) -> Self {
        Self { protocol, scene }
    }

    /// All that happened, in order.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut add = |at, subject, lane, text| lines.push(Line { at, subject, lane, text });
        for fault in &self.scene.faults {
            let who = fault.lane.map_or("storage", |lane| self.name(lane));
            let lasts = fault.until > fault.from;
            let until = if lasts { format!(", until {}", seconds(fault.until)) } else { String::new() };
            add(fault.from, Subject::Fault, fault.lane, format!("{who}: {}{until}", fault.name));
            if lasts && fault.until < self.scene.end {
                add(fault.until, Subject::Fault, fault.lane, format!("{who}: no longer {}", fault.name));
            }
        }
        for call in &self.scene.calls {
            add(call.sent, Subject::Message, Some(call.lane), told(self.name(call.lane), call));
        }
        for hold in &self.scene.holds {
            add(hold.from, Subject::Lease, hold.lane, self.held(hold));
            if hold.lane.is_some() && hold.replaced.is_none_or(|at| at >= hold.lease) && hold.lease < self.scene.end {
                let whose = self.whose(hold.lane);
                add(hold.lease, Subject::Lease, hold.lane, format!("storage: the lease of {whose} has ended"));
            }
        }
        for reign in &self.scene.reigns {
            let text = format!("{} leads, {}", self.name(reign.lane), self.term(reign.term));
            add(reign.from, Subject::Reign, Some(reign.lane), text);
            if let Some(until) = reign.until {
                add(until, Subject::Reign, Some(reign.lane), self.ended(reign, until));
            }
        }
        for write in &self.scene.writes {
            let subject = if write.accepted && write.stale { Subject::Break } else { Subject::Write };
            add(write.at, subject, Some(write.lane), self.wrote(write));
        }
        for clash in &self.scene.clashes {
            let leaders = self.leaders(clash);
            let names = list(leaders.iter().map(|reign| self.name(reign.lane)));
            add(clash.from, Subject::Break, None, format!("{} lead at once: {names}", count(leaders.len())));
            if let Some(until) = clash.until {
                add(until, Subject::Break, None, "no two lead any more".to_owned());
            }
        }
        // Others never promised it.
        let promised = self.protocol == Protocol::Lessor;
        for broken in self.scene.broken.iter().filter(|_| promised) {
            add(broken.at, Subject::Break, None, format!("a promise is broken: {}: {}", broken.rule, broken.text));
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    /// All that must not be, in order, and how it came to it.
    pub fn breaks(&self) -> Vec<Break> {
        let mut breaks: Vec<_> = self.scene.clashes.iter().map(|clash| self.explain(clash)).collect();
        let stale = self.scene.writes.iter().filter(|write| write.accepted && write.stale);
        breaks.extend(stale.map(|write| Break {
            from: write.at,
            until: Some(write.at),
            head: "A stale write was accepted".to_owned(),
            text: format!(
                "{} wrote what it began {}, and the resource took it after a write of a later reign. {}",
                self.name(write.lane),
                self.in_term(write.term),
                self.why_accepted()
            ),
        }));
        if self.protocol == Protocol::Lessor {
            breaks.extend(self.scene.broken.iter().map(|broken| Break {
                from: broken.at,
                until: Some(broken.at),
                head: format!("A promise is broken: {}", broken.rule),
                text: broken.text.to_owned(),
            }));
        }
        breaks.sort_by_key(|one| one.from);
        breaks
    }

    fn explain(&self, clash: &Clash) -> Break {
        let at = clash.from;
        let mut leaders = self.leaders(clash);
        leaders.sort_by_key(|reign| reign.from);
        let mut text = match leaders.split_last() {
            Some((newest, former)) => {
                let former =
                    former.iter().map(|reign| format!("{} since {}", self.name(reign.lane), moment(reign.from)));
                format!("{} leads since {}, and so does {}.", self.name(newest.lane), moment(newest.from), list(former))
            }
            None => String::new(),
        };
        // What was wrong with those who are concerned, within a lease, and while they led.
        let since = at.saturating_sub(self.scene.lease);
        let concerned = |fault: &&Fault| {
            let led = |reign: &&Reign| fault.lane == Some(reign.lane) && fault.until >= reign.from;
            let known = fault.lane.is_none() || leaders.iter().any(led);
            known && fault.from <= at && fault.until >= since
        };
        let mut faults: Vec<_> = self.scene.faults.iter().filter(concerned).collect();
        faults.sort_by_key(|fault| fault.from);
        let told = faults.iter().rev().take(4).rev().map(|fault| self.was(fault));
        text.extend(told.map(|fault| format!(" {fault}")));
        text += &self.lease_at(at, &leaders);
        text += self.why_two();
        let lasted = clash.until.map_or_else(String::new, |until| format!(", for {}", brief(until - at)));
        let more = if clash.lanes.len() > leaders.len() { ", and more join them" } else { "" };
        let head = format!("{} lead at once{more}{lasted}", count(leaders.len()));
        Break { from: at, until: clash.until, head, text }
    }

    /// What the storage said of the former leader's lease.
    fn lease_at(&self, at: Duration, leaders: &[&Reign]) -> String {
        let Some((newest, former)) = leaders.split_last() else { return String::new() };
        let mut holds = self.scene.holds.iter().rev().filter(|hold| hold.from <= at);
        let Some(hold) = holds.find(|hold| former.iter().any(|reign| hold.lane == Some(reign.lane))) else {
            return String::new();
        };
        let (whose, newest) = (self.whose(hold.lane), self.name(newest.lane));
        match hold.replaced {
            Some(taken) if hold.robbed => {
                let early = brief(hold.lease - taken);
                format!(" By the storage {newest} took the key {early} before the lease of {whose} was to end.")
            }
            _ if hold.over() <= at => {
                format!(" In the storage the lease of {whose} was over at {}.", moment(hold.over()))
            }
            _ => format!(" In the storage the lease is that of {whose}, until {}.", moment(hold.lease)),
        }
    }

    fn why_two(&self) -> &'static str {
        match self.protocol {
            Protocol::Lessor => {
                " Its machine stood still with all its clocks, so nothing on it can tell. No lease holds against that; the resource \
                 does: it refuses writes of the older term."
            }
            Protocol::Less => {
                " Under less, IsLeader is a flag that only the candidate's own loop takes back, and each candidate judges deadlines by its \
                 own time of day."
            }
            Protocol::ClientGo => {
                " Under client-go, IsLeader repeats what was observed last: no clock is looked at when it is asked, and while the process stands \
                 still or a request hangs nothing takes it back."
            }
        }
    }

    fn why_accepted(&self) -> &'static str {
        match self.protocol {
            Protocol::Lessor => "It does not look at terms.",
            Protocol::Less | Protocol::ClientGo => {
                "Without a term in each write it cannot tell the one from the other."
            }
        }
    }

    fn was(&self, fault: &Fault) -> String {
        let (who, name) = (fault.lane.map_or("The storage", |lane| self.name(lane)), fault.name);
        if let Some(clock) = name.strip_suffix(" steps") {
            return format!("{who}: its {clock} stepped at {}.", moment(fault.from));
        }
        if fault.until <= fault.from {
            return format!("{who}: {name} at {}.", moment(fault.from));
        }
        let was = if fault.lane.is_some() { " was" } else { ":" };
        format!("{who}{was} {name} from {} to {}.", moment(fault.from), moment(fault.until))
    }

    fn held(&self, hold: &Hold) -> String {
        let Some(lane) = hold.lane else { return "storage: nobody holds the key".to_owned() };
        let term = if hold.term == 0 { String::new() } else { format!(", {}", self.term(hold.term)) };
        let before = self.scene.holds.iter().find(|other| other.replaced == Some(hold.from) && other.robbed);
        let early = before.map_or_else(String::new, |other| {
            let (early, whose) = (brief(other.lease - hold.from), self.whose(other.lane));
            format!(", {early} before the lease of {whose} was to end")
        });
        format!("storage: {} holds the key{term}{early}", self.name(lane))
    }

    /// The end of a reign, beside that of its lease in the storage.
    fn ended(&self, reign: &Reign, at: Duration) -> String {
        let mut text = format!("{} no longer leads", self.name(reign.lane));
        // Renewed or not, it is one entry.
        let hold = self.scene.holds.iter().rev().find(|hold| hold.lane == Some(reign.lane) && hold.from <= at);
        if let Some(hold) = hold.filter(|hold| hold.over() >= reign.from) {
            let over = hold.over();
            if over < at {
                text += &format!(", {} after its lease was over", brief(at - over));
            } else if hold.replaced != Some(over) && over > at {
                text += &format!(", {} before its lease is", brief(over - at));
            }
        }
        text
    }

    fn wrote(&self, write: &Wrote) -> String {
        let (who, term) = (self.name(write.lane), self.in_term(write.term));
        match (write.accepted, write.stale) {
            (true, false) => format!("resource: a write of {who} {term} is accepted"),
            (true, true) => format!("resource: a stale write of {who} {term} is accepted, after one of a later reign"),
            (false, _) => format!("resource: a stale write of {who} {term} is refused, its term is too old"),
        }
    }

    /// Who leads when it begins, or a moment later.
    fn leaders(&self, clash: &Clash) -> Vec<&'a Reign> {
        let at = clash.from;
        let lasts = |reign: &&Reign| reign.from <= at && reign.until.is_none_or(|until| until > at);
        self.scene.reigns.iter().filter(lasts).filter(|reign| clash.lanes.contains(&reign.lane)).collect()
    }

    /// Without how it is driven.
    fn name(&self, lane: usize) -> &'a str {
        self.scene.lanes.get(lane).map_or("?", |name| name.split(" (").next().unwrap_or(name))
    }

    fn whose(&self, lane: Option<usize>) -> &'a str {
        lane.map_or("nobody", |lane| self.name(lane))
    }

    /// Only lessor has terms: the reigns of others are counted for them.
    fn term(&self, term: u64) -> String {
        let word = if self.protocol == Protocol::Lessor { "term" } else { "reign" };
        format!("{word} {term}")
    }

    fn in_term(&self, term: u64) -> String {
        format!("in {}", self.term(term))
    }
}

/// A request and what became of it.
pub(crate) fn told(name: &str, call: &Call) -> String {
    let mut text = format!("{name}: {}, sent at {}", call.operation, seconds(call.sent));
    for applied in &call.applied {
        text += &format!("; applied at {}: {}", seconds(applied.at), applied.answers.join(", "));
        if applied.reply_lost {
            text += ", the reply was lost";
        }
    }
    if call.lost {
        text += "; the request was lost";
    }
    if let Some(at) = call.replied {
        let what = if call.answered().is_some() { "replied" } else { "failed" };
        text += &format!("; {what} at {}", seconds(at));
    } else if !call.lost && call.applied.iter().all(|applied| !applied.reply_lost) {
        text += "; no reply";
    }
    text
}

pub(crate) fn seconds(at: Duration) -> String {
    format!("{:.3} s", at.as_secs_f64())
}

fn moment(at: Duration) -> String {
    format!("{:.1} s", at.as_secs_f64())
}

/// As exact as a reader needs it: what is short in ms.
fn brief(time: Duration) -> String {
    if time < Duration::from_millis(100) {
        return format!("{:.1} ms", time.as_secs_f64() * 1e3);
    }
    format!("{:.1} s", time.as_secs_f64())
}

fn count(leaders: usize) -> String {
    if leaders == 2 { "Two".to_owned() } else { leaders.to_string() }
}

/// "a", "a and b", "a, b and c".
fn list(all: impl Iterator<Item: Into<String>>) -> String {
    let mut all: Vec<String> = all.map(Into::into).collect();
    let Some(last) = all.pop() else { return String::new() };
    if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) }
}
