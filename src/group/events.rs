//! What happens in a group, in one stream.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::Event as Signal;
use futures::Stream;
use futures::future::poll_fn;

use crate::election::Event;
use crate::listening::Listening;
use crate::mutex::Mutex;
use crate::text::{Id, Key};

/// More than this are not kept for a listener that does not listen.
const KEPT: usize = 65_536;

/// Something happened in a [`Group`](crate::Group).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GroupEvent {
    /// It has a candidate for this key.
    Added(Key),
    /// The candidate of this key has stopped, and is gone.
    Removed(Key),
    /// Something happened to the candidate of a key. Renewals are left out.
    #[non_exhaustive]
    Of {
        /// The candidate's key.
        key: Key,
        /// What happened.
        event: Event,
    },
    /// The storage cannot keep up: fewer renewals get through than are needed. Keys are given up, by handing them over.
    #[non_exhaustive]
    Overloaded {
        /// How many leases are in danger.
        in_danger: usize,
        /// How many are held.
        held: usize,
    },
    /// Other processes share the keys than before: these, in the order of their ids.
    Processes(Vec<Id>),
    /// This many older events were dropped because nobody took them.
    Missed(u64),
}

#[derive(Default)]
pub(super) struct Queue {
    unread: Mutex<Unread>,
    pushed: Signal,
}

#[derive(Default)]
struct Unread {
    events: VecDeque<GroupEvent>,
    missed: u64,
    ended: bool,
}

impl Queue {
    /// Answers the one that had to make room, to be dropped under no lock: an adapter's error may do anything at its end.
    #[must_use]
    pub(super) fn push(&self, event: GroupEvent) -> Option<GroupEvent> {
        let mut unread = self.unread.lock();
        let dropped = if unread.events.len() >= KEPT { unread.events.pop_front() } else { None };
        unread.missed += u64::from(dropped.is_some());
        unread.events.push_back(event);
        dropped
    }

    pub(super) fn end(&self) {
        self.unread.lock().ended = true;
    }

    /// The oldest that nobody took. `None` in it: there will be no more.
    fn take(&self) -> Option<Option<GroupEvent>> {
        let mut unread = self.unread.lock();
        if unread.missed > 0 {
            return Some(Some(GroupEvent::Missed(mem::take(&mut unread.missed))));
        }
        let event = unread.events.pop_front();
        if event.is_none() && unread.ended { Some(None) } else { event.map(Some) }
    }

    /// Wakes the listener. Apart from `push`, since a waker may do anything.
    pub(super) fn notify(&self) {
        self.pushed.notify(usize::MAX);
    }
}

/// What was told, once nothing is locked: those who listen, who are woken then, and what had to make room.
#[derive(Default)]
pub(super) struct Told {
    listeners: Vec<Arc<Queue>>,
    dropped: Vec<GroupEvent>,
}

impl Told {
    pub(super) const fn to(listeners: Vec<Arc<Queue>>) -> Self {
        Self { listeners, dropped: Vec::new() }
    }

    pub(super) fn push(&mut self, event: &GroupEvent) {
        let Self { listeners, dropped } = self;
        dropped.extend(listeners.iter().filter_map(|listener| listener.push(event.clone())));
    }

    pub(super) fn notify(self) {
        let Self { listeners, dropped } = self;
        drop(dropped);
        listeners.iter().for_each(|listener| listener.notify());
    }
}

/// The stream of a group's [`GroupEvent`]s. It does not keep the group alive, and ends with its driver.
#[must_use = "streams do nothing unless polled"]
pub struct GroupEvents {
    queue: Arc<Queue>,
    listening: Listening,
}

impl GroupEvents {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, listening: Listening::default() }
    }

    /// The next event. `None`: there will be no more.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<GroupEvent> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for GroupEvents {
    type Item = GroupEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<GroupEvent>> {
        let Self { queue, listening } = &mut *self;
        listening.poll(&queue.pushed, cx, || queue.take())
    }
}

impl fmt::Debug for GroupEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupEvents").field("unread", &self.queue.unread.lock().events.len()).finish()
    }
}

#[cfg(all(test, feature = "system"))]
mod tests {
    use super::*;
    use crate::{BuildError, Builder, Group, MemoryStorage};
    use alloc::collections::BTreeMap;
    use alloc::string::ToString;
    use futures::executor::block_on;
    use std::thread;

    /// R16: of each key is told that it was added, what happened, that it was removed, and so on, whoever adds and removes
    /// meanwhile.
    #[test]
    fn each_key_comes_happens_and_goes() {
        const ROUNDS: usize = if cfg!(miri) { 5 } else { 1_000 };
        let (group, driver) = Group::builder().id("a").build(MemoryStorage::new()).unwrap();
        let mut events = group.events();
        let driving = thread::spawn(|| block_on(driver.run()));
        let adding = {
            let group = group.clone();
            thread::spawn(move || {
                let mut added = 0;
                while added < ROUNDS {
                    match group.add(Builder::new((added % 2).to_string())) {
                        Ok(_) => added += 1,
                        Err(BuildError::InGroup { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        };
        while !adding.is_finished() {
            for key in ["0", "1"] {
                block_on(group.remove(key)).unwrap();
            }
        }
        adding.join().unwrap();
        block_on(group.shutdown()).unwrap();
        driving.join().unwrap();
        let mut present: BTreeMap<Key, bool> = BTreeMap::new();
        let mut removed = 0;
        while let Some(event) = block_on(events.next()) {
            let (key, was, is) = match &event {
                GroupEvent::Added(key) => (key, false, true),
                GroupEvent::Removed(key) => (key, true, false),
                GroupEvent::Of { key, .. } => (key, true, true),
                other => panic!("{other:?}"),
            };
            assert_eq!(present.insert(key.clone(), is).unwrap_or_default(), was, "{event:?}");
            removed += usize::from(!is);
        }
        assert_eq!(removed, ROUNDS);
        assert!(present.values().all(|is_present| !is_present));
    }
}
