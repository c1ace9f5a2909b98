//! Watches of registers, on their way and standing: items come late, several as one, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::Stream;
use lessor::StorageError;
use lessor::storage::Session;
use lessor::storage::registers::Stored;

use super::{Revision, in_doubt};
use crate::clock::Nanos;
use crate::plan::nanos;
use crate::reached::Situation;
use crate::sim::{Event, Sim, World};

/// What a watch says.
pub(crate) type Item = Result<Option<Stored<Revision>>, StorageError>;

/// A watch of a register.
pub(crate) struct Watching {
    handle: usize,
    process: usize,
    incarnation: u32,
    row: usize,
    /// The store tells it what is written.
    stands: bool,
    /// Until when it is told nothing.
    silent_until: Nanos,
    /// What was sent last arrives then: nothing overtakes it.
    arrives_at: Nanos,
    /// What has come and was not taken.
    item: Option<Item>,
    waker: Option<Waker>,
    /// Nothing comes any more.
    ended: bool,
    /// Its first item was taken, and nobody has heard since that it ended.
    is_heard: bool,
    /// What the last item that came was about: the term, the holder, and whether that had ended.
    news: Option<Option<(u64, Option<Session>, bool)>>,
}

impl World {
    /// Whether this handle is told what is written to a register, as far as it knows.
    pub(crate) fn is_watched(&self, handle: usize, row: usize) -> bool {
        let mut all = self.cells.watchings.iter();
        all.any(|watching| (watching.handle, watching.row) == (handle, row) && watching.is_heard)
    }

    /// A handle begins to watch a register. Answers the number of the watch.
    pub(super) fn begin_watch(&mut self, handle: usize, process: usize, incarnation: u32, row: usize) -> usize {
        let number = self.cells.watchings.len();
        self.cells.watchings.push(Watching {
            handle,
            process,
            incarnation,
            row,
            stands: false,
            silent_until: 0,
            arrives_at: 0,
            item: None,
            waker: None,
            ended: false,
            is_heard: false,
            news: None,
        });
        let at = self.now + self.watch_delay();
        if self.processes[process].cut_until.0 > self.now {
            self.lose_watch(number);
        } else {
            self.schedule(at, Event::Watch { watch: number });
        }
        number
    }

    fn watch_delay(&mut self) -> Nanos {
        let ttl = Duration::from_nanos(self.plan.ttl);
        nanos(self.cells.random.duration(ttl / 10_000, ttl / 500))
    }

    /// A watch gets to the store.
    pub(crate) fn open_watch(&mut self, number: usize) {
        if self.store.down.is_some_and(|(_, until)| until > self.now) {
            self.lose_watch(number);
            return;
        }
        if !self.cells.watchings[number].ended {
            self.cells.watchings[number].stands = true;
            self.tell_watch(number);
        }
    }

    /// Something was written to a register.
    pub(super) fn tell_watchers(&mut self, row: usize) {
        for number in 0..self.cells.watchings.len() {
            let watching = &self.cells.watchings[number];
            if watching.row != row || !watching.stands || watching.ended {
                continue;
            }
            let registers = self.plan.registers.unwrap_or_default();
            if !self.healed && self.cells.random.chance(registers.watches_lost) {
                self.reach(Situation::WatchLost);
                self.lose_watch(number);
            } else if !self.healed && self.cells.random.chance(registers.watches_silent) {
                self.reach(Situation::WatchSilent);
                let ttl = Duration::from_nanos(self.plan.ttl);
                let lasts = nanos(self.cells.random.scale(ttl / 100, ttl * 3));
                self.silence_watch(number, self.now + lasts);
            } else {
                self.tell_watch(number);
            }
        }
    }

    /// Nothing is told to this watch until then, and then what is there by then.
    fn silence_watch(&mut self, number: usize, until: Nanos) {
        let until = until.min(self.plan.heal_at.max(self.now));
        let watching = &mut self.cells.watchings[number];
        if until > watching.silent_until {
            watching.silent_until = until;
            self.schedule(until, Event::Speak { watch: number });
        }
    }

    /// What is in the register is on its way to a watch.
    pub(crate) fn tell_watch(&mut self, number: usize) {
        let watching = &self.cells.watchings[number];
        if watching.silent_until > self.now || watching.ended || !watching.stands {
            return;
        }
        let cut = self.processes[watching.process].cut_until.1;
        if cut > self.now {
            self.silence_watch(number, cut);
            return;
        }
        let shown = self.cells.registers[watching.row].current().map(super::Write::stored);
        let mut delay = self.watch_delay();
        let ttl = Duration::from_nanos(self.plan.ttl);
        if !self.healed && self.plan.faults.slow && self.cells.random.chance(0.3) {
            delay = nanos(self.cells.random.scale(ttl / 500, ttl / 2));
        }
        let watching = &mut self.cells.watchings[number];
        let at = (self.now + delay).max(watching.arrives_at + 1);
        watching.arrives_at = at;
        self.deliver(at, Event::Tell { watch: number, item: Box::new(Ok(shown)) });
    }

    /// The connection of a watch is gone: it says so, sooner or later.
    fn lose_watch(&mut self, number: usize) {
        self.cells.watchings[number].stands = false;
        let ttl = Duration::from_nanos(self.plan.ttl);
        let lasts = nanos(self.cells.random.scale(ttl / 1000, ttl));
        let at = (self.now + lasts).min(self.plan.heal_at.max(self.now + 1));
        self.schedule(at, Event::Tell { watch: number, item: Box::new(Err(in_doubt())) });
    }

    /// The store is gone, and so are all connections to it.
    pub(crate) fn lose_watches(&mut self) {
        for number in 0..self.cells.watchings.len() {
            if self.cells.watchings[number].stands && !self.cells.watchings[number].ended {
                self.lose_watch(number);
            }
        }
    }

    /// An item arrives. Answers who waits for it.
    pub(crate) fn hear_watch(&mut self, number: usize, item: Item) -> Option<Waker> {
        let watching = &mut self.cells.watchings[number];
        let (process, row) = (watching.process, watching.row);
        if watching.ended || self.processes[process].incarnation != watching.incarnation {
            return None;
        }
        watching.ended = item.is_err();
        let (together, last_news) = (watching.item.is_some(), watching.news);
        let shown = item.as_ref().ok().map(Option::as_ref);
        let record = shown.flatten().and_then(|stored| self.cells.written(row, stored.revision.count));
        let news = record.map(|(record, _)| (record.term.get(), record.session, record.expires_ms == 0));
        let is_news = last_news != Some(news);
        let watching = &mut self.cells.watchings[number];
        watching.news = Some(news);
        watching.item = Some(item);
        let waker = watching.waker.take();
        if together {
            self.reach(Situation::ItemsTogether);
        }
        // Who hears of something may ask at once.
        if let Some(key) = self.plan.key_of(row).filter(|_| is_news) {
            self.allow(process * self.plan.keys + key, 1);
        }
        waker
    }
}

/// The items of a watch, as its handle hears them.
pub(super) struct Items {
    pub(super) sim: Arc<Sim>,
    pub(super) number: usize,
}

impl Stream for Items {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut world = self.sim.world();
        let watching = &mut world.cells.watchings[self.number];
        let (process, handle, row) = (watching.process, watching.handle, watching.row);
        let Some(item) = watching.item.take() else {
            if watching.ended {
                return Poll::Ready(None);
            }
            watching.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        watching.is_heard = item.is_ok();
        if let Ok(stored) = &item {
            let revision = stored.as_ref().map(|stored| &stored.revision);
            world.tell_watcher(process, handle, row, revision);
        }
        Poll::Ready(Some(item))
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        let waker = {
            let mut world = self.sim.world();
            // Where the run is over there is none any more.
            world.cells.watchings.get_mut(self.number).and_then(|watching| {
                (watching.ended, watching.is_heard) = (true, false);
                watching.waker.take()
            })
        };
        drop(waker);
    }
}
