//! The group of a process: what became of it as a whole, and what it tells.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::Stream;
use lessor::{Event, GroupEvent, GroupEvents, LostReason};

use crate::candidate::Place;
use crate::clock::Nanos;
use crate::operator::number_of;
use crate::seat::Asked;
use crate::sim::{Sim, World, lock};

/// The group that a process has now.
#[derive(Debug, Default)]
pub(crate) struct Team {
    /// What was asked of it as a whole.
    pub(crate) asked: Asked,
    /// When its driver was stepped last, to the end.
    pub(crate) stepped_at: Option<Nanos>,
}

impl Asked {
    fn add(&mut self, other: Self) {
        self.resign |= other.resign;
        self.stop |= other.stop;
        self.drop |= other.drop;
    }
}

impl Place {
    /// The process has a new group.
    pub(crate) fn begin_group(&self, events: GroupEvents) {
        if self.is_dead() {
            return;
        }
        let old = lock(&self.sim.groups)[self.process].replace(events);
        drop(old);
        let mut world = self.sim.world();
        let stepped_at = Some(world.now);
        world.teams[self.process] = Team { stepped_at, ..Team::default() };
        world.forget_view(self.process);
    }

    /// Somebody ends the group.
    pub(crate) fn end_group(&self, asked: Asked) {
        if self.is_dead() {
            return;
        }
        let mut world = self.sim.world();
        world.teams[self.process].asked.add(asked);
        let members = world.seats.iter_mut().filter(|seat| seat.process == self.process);
        members.for_each(|seat| seat.asked.add(asked));
    }

    /// A step has come to its end.
    pub(crate) fn count_step(&self) {
        if !self.is_dead() {
            let mut world = self.sim.world();
            world.teams[self.process].stepped_at = Some(world.now);
        }
    }
}

impl Sim {
    /// Takes in what the group of a process has told.
    pub(crate) fn hear_group(self: &Arc<Self>, process: usize) {
        let mut told = Vec::new();
        if let Some(events) = lock(&self.groups)[process].as_mut() {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(event)) = Pin::new(&mut *events).poll_next(&mut cx) {
                told.push(event);
            }
        }
        let mut world = self.world();
        told.into_iter().for_each(|event| world.heard_of_group(process, event));
    }
}

impl World {
    fn heard_of_group(&mut self, process: usize, event: GroupEvent) {
        match event {
            GroupEvent::Of { key, event, .. } => {
                if let Some(key) = number_of(&key) {
                    let seat = process * self.plan.keys + key;
                    // Here, in the order of what happened, and not where its candidate tells it.
                    if event == Event::Stopped {
                        self.count_key(seat, false);
                    }
                    if let Event::Ending { term, reason: LostReason::Resigned, .. } = event {
                        self.group_hands_over(seat, term);
                    }
                    self.group_told(seat, event);
                }
            }
            GroupEvent::Overloaded { in_danger, held, .. } => self.group_overloaded(process, in_danger, held),
            _ => {}
        }
    }
}
