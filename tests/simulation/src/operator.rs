//! Operators: now and then one takes a lease from its holder, or looks at all leases, a page at a time.
//!
//! An operator works from one of the machines, over the same network, and is not a candidate: nobody's leadership
//! depends on what it hears.

use lessor::storage::{List, Page, Reply, Revoke};
use lessor::{Key, Term};

use crate::message::Told;
use crate::plan::{Plan, Spread};
use crate::reached::Situation;
use crate::sim::World;

/// What an operator wants to know from an answer.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Whom it took the lease from.
    Revoke(usize),
    List(Walk),
}

/// A walk through all leases, from page to page.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    list: List,
    /// The last key that was shown.
    last: Option<Key>,
    /// Keys that had a record when it began, and were not shown yet.
    missing: Vec<Key>,
    /// How often the storage had lost data when it began.
    losses: u32,
}

impl World {
    /// An operator on this machine takes the lease of a key from whoever holds it; the key is free at its end, or at once.
    pub(crate) fn revoke(&mut self, process: usize, row: usize, now: bool) {
        self.send_errand(process, Revoke::new(self.plan.name_of(row)).now(now).into(), Errand::Revoke(row));
    }

    /// An operator on this machine looks at all leases whose keys begin so.
    pub(crate) fn list(&mut self, process: usize, prefix: &str, limit: usize) {
        let list = List::new().prefix(prefix).limit(limit);
        let known =
            (0..self.plan.all_rows()).filter(|row| self.store.has_record(*row)).map(|row| self.plan.name_of(row));
        let missing = known.filter(|key| key.as_str().starts_with(prefix)).collect();
        let walk = Walk { list, last: None, missing, losses: self.store.losses };
        self.send_errand(process, walk.list.clone().into(), Errand::List(walk));
    }

    /// An answer has come to an operator.
    pub(crate) fn hear(&mut self, process: usize, errand: Errand, told: &Told) {
        // Who hears of no answer gives up.
        let Told::Lessor(replies) = told else { return };
        match (errand, replies.first()) {
            // A place has no resource.
            (Errand::Revoke(row), Some(Ok(Reply::Revoked(Some(lease))))) if row < self.plan.rows() => {
                // From now on the resource refuses what the former holder still sends.
                self.write_as_operator(row, lease.term.next().unwrap_or(Term::LAST));
            }
            (Errand::List(walk), Some(Ok(Reply::Listed(page)))) => self.turn_page(process, walk, page),
            _ => {}
        }
    }

    fn turn_page(&mut self, process: usize, mut walk: Walk, page: &Page) {
        if let Err(why) = walk.take(page) {
            self.fail_listing(format!("{why}: {page:?}, {walk:?}"));
        } else if let Some(next) = &page.next {
            walk.list.start = Some(next.clone());
            self.send_errand(process, walk.list.clone().into(), Errand::List(walk));
        } else if !walk.missing.is_empty() && walk.losses == self.store.losses {
            self.fail_listing(format!("some were not shown: {walk:?}"));
        } else if walk.list.start.is_some() {
            self.reach(Situation::ListedInPages);
        }
    }
}

impl Walk {
    fn take(&mut self, page: &Page) -> Result<(), &'static str> {
        if page.entries.len() > self.list.page_size() {
            return Err("a page is too long");
        }
        for entry in &page.entries {
            if !entry.key.as_str().starts_with(&self.list.prefix) {
                return Err("a key that was not asked for");
            }
            if self.last.as_ref().is_some_and(|last| entry.key <= *last) {
                return Err("a key twice, or out of order");
            }
            if entry.lease.time_left > entry.lease.ttl {
                return Err("more time left than was given");
            }
            self.missing.retain(|key| *key != entry.key);
            self.last = Some(entry.key.clone());
        }
        let goes_on = page.next.as_ref().is_none_or(|next| self.last.as_ref().is_some_and(|last| next > last));
        if goes_on { Ok(()) } else { Err("the next page begins before this one ends") }
    }
}

/// Which key that is, or whose slot. None: it is that of a place in a spread.
pub(crate) fn number_of(key: &Key) -> Option<usize> {
    let digit = key.as_str().strip_prefix('k')?.bytes().next()?;
    Some(usize::from(digit - b'0'))
}

impl Plan {
    /// How many records there are of the keys: one for each slot of each key, or for each key where they have none.
    pub(crate) fn rows(&self) -> usize {
        self.keys * self.slots.max(1)
    }

    /// How many there are with those of the places in a spread, which come last.
    pub(crate) fn all_rows(&self) -> usize {
        self.rows() + if self.spread.is_some() { Spread::PLACES } else { 0 }
    }

    /// Which of them is that of a slot.
    pub(crate) fn row(&self, key: usize, slot: Option<u16>) -> usize {
        key * self.slots.max(1) + slot.map_or(0, usize::from)
    }

    /// Which of them has this key.
    pub(crate) fn row_of(&self, key: &Key) -> usize {
        let number = key.as_str().rsplit_once('/').and_then(|(_, number)| number.parse().ok());
        match number_of(key) {
            Some(key) => self.row(key, number),
            None => self.rows() + number.map_or(0, usize::from),
        }
    }

    /// Whose slot that is. None: it is that of a place in a spread.
    pub(crate) fn key_of(&self, row: usize) -> Option<usize> {
        (row < self.rows()).then(|| row / self.slots.max(1))
    }

    /// What its key is called.
    pub(crate) fn name_of(&self, row: usize) -> Key {
        let name = match self.key_of(row) {
            Some(key) if self.slots > 0 => format!("k{key}/slot/{}", row % self.slots),
            Some(key) => format!("k{key}"),
            None => format!("{}/member/{}", Spread::NAME, row - self.rows()),
        };
        Key::new(name).expect("a valid key")
    }
}
