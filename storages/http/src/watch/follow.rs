//! What to say to the service and what its messages mean: no I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lessor::{Id, Key, Lease, Term};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// The most keys that a service watches for one connection.
const MOST: usize = 1_000;

/// The most keys of one message.
const TOGETHER: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Say<'a> {
    Watch { number: u64, keys: &'a [Key] },
    Unwatch { number: u64, keys: &'a [Key] },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    State(Seen),
    Change(Seen),
    Watched { number: u64 },
    Unwatched { number: u64 },
    Failed(Refusal),
}

/// Why nothing of a message was done.
#[derive(Deserialize)]
struct Refusal {
    status: Option<u16>,
}

/// The token has said too much lately.
const TOO_MANY: u16 = 429;

#[derive(Deserialize)]
struct Seen {
    key: Key,
    lease: Option<Lease>,
}

/// What changes when a key passes from hand to hand. `None`: nobody ever had it.
type Turn = Option<(Term, Option<Id>)>;

/// Which keys are followed, and how far the service is with them.
///
/// A message is sent when the one before has its answer: a refusal does not say which message it is about.
#[derive(Default)]
pub(super) struct Follow {
    keys: BTreeMap<Key, Followed>,
    /// Keys to ask for, in the order in which they came. Some may have been dropped meanwhile.
    new: VecDeque<Key>,
    /// Parts of a refused message, to find out which keys are meant.
    parts: Vec<Vec<Key>>,
    /// Keys that the service watches for nobody.
    gone: BTreeSet<Key>,
    /// How many keys the service watches, those that are gone among them.
    watched: usize,
    asked: Option<Asked>,
    number: u64,
    /// Nothing is said until the next heartbeat.
    pauses: bool,
}

struct Followed {
    stage: Stage,
    /// As it was told last, on whichever connection.
    turn: Option<Turn>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Asked,
    Watched,
    /// By the service, on this connection.
    Refused,
}

/// A message that has no answer yet.
struct Asked {
    number: u64,
    watch: bool,
    keys: Vec<Key>,
    /// For how many heartbeats.
    age: u32,
}

impl Follow {
    /// Follows a key, if it does not already.
    pub(super) fn follow(&mut self, key: &Key) {
        if !self.keys.contains_key(key) {
            self.keys.insert(key.clone(), Followed { stage: Stage::New, turn: None });
            self.new.push_back(key.clone());
        }
    }

    /// Follows these keys and no others.
    pub(super) fn keep(&mut self, keys: &BTreeSet<Key>) {
        self.keys.retain(|key, followed| {
            let stays = keys.contains(key);
            if !stays && followed.stage == Stage::Watched {
                self.gone.insert(key.clone());
            }
            stays
        });
        self.new.retain(|key| keys.contains(key));
        keys.iter().for_each(|key| self.follow(key));
    }

    /// A connection begins: the service knows of nothing.
    pub(super) fn connected(&mut self) {
        self.parts.clear();
        self.gone.clear();
        (self.watched, self.asked, self.pauses) = (0, None, false);
        self.keys.values_mut().for_each(|followed| followed.stage = Stage::New);
        self.new = self.keys.keys().cloned().collect();
    }

    /// The next message, if there is anything to say and it may be said.
    pub(super) fn say(&mut self) -> Option<String> {
        if self.asked.is_some() || self.pauses {
            return None;
        }
        let gone: Vec<_> = self.gone.iter().take(TOGETHER).cloned().collect();
        let (watch, keys) = if gone.is_empty() { (true, self.next_keys()) } else { (false, gone) };
        if keys.is_empty() {
            return None;
        }
        self.number += 1;
        let number = self.number;
        let message = if watch { Say::Watch { number, keys: &keys } } else { Say::Unwatch { number, keys: &keys } };
        let text = serde_json::to_string(&message).ok()?;
        for key in &keys {
            self.gone.remove(key);
        }
        self.asked = Some(Asked { number, watch, keys, age: 0 });
        Some(text)
    }

    /// The keys to ask for next. Those without room are left for when there is some.
    fn next_keys(&mut self) -> Vec<Key> {
        while let Some(mut part) = self.parts.pop() {
            part.retain(|key| self.keys.get(key).is_some_and(|followed| followed.stage == Stage::Asked));
            if !part.is_empty() {
                return part;
            }
        }
        let room = TOGETHER.min(MOST.saturating_sub(self.watched));
        let mut keys = Vec::new();
        while keys.len() < room
            && let Some(key) = self.new.pop_front()
        {
            if let Some(followed) = self.keys.get_mut(&key)
                && followed.stage == Stage::New
            {
                followed.stage = Stage::Asked;
                keys.push(key);
            }
        }
        keys
    }

    /// Takes a message: whom to wake. What cannot be understood is none of the messages that are known here.
    pub(super) fn hear(&mut self, text: &str) -> Option<Key> {
        match serde_json::from_str(text).ok()? {
            Said::State(seen) | Said::Change(seen) => return self.see(seen),
            Said::Watched { number } | Said::Unwatched { number } => {
                if let Some(asked) = self.asked.take_if(|asked| asked.number == number) {
                    self.done(asked);
                }
            }
            Said::Failed(Refusal { status }) => {
                if let Some(asked) = self.asked.take() {
                    if status == Some(TOO_MANY) { self.put_off(asked) } else { self.failed(asked) }
                }
            }
        }
        None
    }

    /// A key that is in other hands than was known. Of one that was never told before nothing is known: whoever asked
    /// for it meanwhile may have seen what was before.
    fn see(&mut self, Seen { key, lease }: Seen) -> Option<Key> {
        let turn = lease.map(|lease| (lease.term, lease.id));
        let followed = self.keys.get_mut(&key)?;
        if followed.turn.as_ref() == Some(&turn) {
            return None;
        }
        followed.turn = Some(turn);
        Some(key)
    }

    fn done(&mut self, asked: Asked) {
        if !asked.watch {
            self.watched = self.watched.saturating_sub(asked.keys.len());
            return;
        }
        self.watched += asked.keys.len();
        for key in asked.keys {
            match self.keys.get_mut(&key) {
                Some(followed) => followed.stage = Stage::Watched,
                None => drop(self.gone.insert(key)),
            }
        }
    }

    /// Nothing of the message was done. One key that is not allowed must not cost the others their wake-ups.
    fn failed(&mut self, mut asked: Asked) {
        if !asked.watch {
            self.watched = self.watched.saturating_sub(asked.keys.len());
        } else if asked.keys.len() > 1 {
            self.parts.push(asked.keys.split_off(asked.keys.len() / 2));
            self.parts.push(asked.keys);
        } else if let Some(followed) = asked.keys.first().and_then(|key| self.keys.get_mut(key)) {
            followed.stage = Stage::Refused;
        }
    }

    /// It is said once more, after a heartbeat.
    fn put_off(&mut self, asked: Asked) {
        self.pauses = true;
        if asked.watch {
            self.parts.push(asked.keys);
        } else {
            self.gone.extend(asked.keys);
        }
    }

    /// A heartbeat: whether a message has been without an answer for too long.
    pub(super) fn overdue(&mut self) -> bool {
        self.pauses = false;
        self.asked.as_mut().is_some_and(|asked| {
            asked.age += 1;
            asked.age > 2
        })
    }
}
