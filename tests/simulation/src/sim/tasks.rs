//! The tasks of all processes, on one thread: polled when they are woken, as long as their process runs.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::{Event, Sim, World, lock};
use crate::clock::Nanos;
use crate::maybe_send::{BoxFuture, MaybeSend};
use crate::plan::nanos;
use crate::reached::Situation;

/// How deep polls may nest: a poll that stalls lets the others go on inside of it.
const DEEPEST: usize = 2;

type Work = BoxFuture<()>;

pub(super) struct Task {
    work: Option<Work>,
    waker: Waker,
    flag: Arc<Flag>,
    process: usize,
    incarnation: u32,
    /// The seats whose leadership may change when this is polled.
    seats: Vec<usize>,
    busy: bool,
    /// Woken while it was busy.
    again: bool,
    done: bool,
    /// A late executor has put it off already.
    pub(super) put_off: bool,
}

struct Flag {
    task: usize,
    queued: AtomicBool,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push_back(self.task);
        }
    }
}
impl Sim {
    /// A task of a process. It ends with the process.
    pub(crate) fn spawn(
        &self,
        process: usize,
        seats: Vec<usize>,
        work: impl Future<Output = ()> + MaybeSend + 'static,
    ) {
        let mut world = self.world();
        let task = world.tasks.len();
        let flag = Arc::new(Flag { task, queued: AtomicBool::new(false), ready: self.ready.clone() });
        let incarnation = world.processes[process].incarnation;
        world.tasks.push(Task {
            work: Some(Box::pin(work)),
            waker: Waker::from(flag.clone()),
            flag: flag.clone(),
            process,
            incarnation,
            seats,
            busy: false,
            again: false,
            done: false,
            put_off: false,
        });
        drop(world);
        flag.wake();
    }

    /// Puts what was held back while a process stood still in line again.
    pub(crate) fn requeue(&self, tasks: Vec<usize>) {
        lock(&self.ready).extend(tasks);
    }

    pub(super) fn poll_ready(self: &Arc<Self>) {
        loop {
            let Some(task) = lock(&self.ready).pop_front() else { return };
            let mut world = self.world();
            let Some((mut work, waker, seats)) = world.begin_poll(task) else { continue };
            world.depth += 1;
            drop(world);
            let ended = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut world = self.world();
            world.depth -= 1;
            let gone = world.end_poll(task, work, ended);
            let again = world.tasks[task].again;
            world.tasks[task].again = false;
            drop(world);
            drop(gone);
            if again {
                lock(&self.ready).push_back(task);
            }
            let process = seats.first().map(|seat| self.world().seats[*seat].process);
            for seat in seats {
                self.look(seat);
            }
            if let Some(process) = process {
                self.world().check_overload(process);
            }
        }
    }

    /// The tasks of a process are gone, wherever they were.
    pub(crate) fn kill(&self, process: usize) {
        let mut world = self.world();
        world.forget_calls(process);
        let gone: Vec<_> = world
            .tasks
            .iter_mut()
            .filter(|task| task.process == process)
            .map(|task| {
                task.done = true;
                task.work.take()
            })
            .collect();
        drop(world);
        // Outside of the lock: they look at the clock when they are dropped.
        drop(gone);
    }

    /// A process is reading its clock: sometimes it stands still right there, and the others go on.
    pub(crate) fn stall(self: &Arc<Self>, process: usize, incarnation: u32) {
        if !self.stalls {
            return;
        }
        let mut until = self.world().stall(process, incarnation);
        while let Some(end) = until {
            self.run_until(end);
            // What else befell its machine meanwhile keeps it there.
            let world = self.world();
            let over = world.checks.broken.is_some();
            until = Some(world.processes[process].paused_until).filter(|until| !over && *until > world.now);
        }
    }
}

impl World {
    fn begin_poll(&mut self, number: usize) -> Option<(Work, Waker, Vec<usize>)> {
        let task = &mut self.tasks[number];
        if task.done {
            return None;
        }
        if task.busy {
            task.again = true;
            return None;
        }
        let process = &mut self.processes[task.process];
        if process.paused_until > self.now {
            process.held.push(number);
            return None;
        }
        if process.starved_until > self.now && !task.put_off {
            let at = process.late(self.now);
            self.schedule(at, Event::Poll(number));
            return None;
        }
        task.put_off = false;
        let work = task.work.take()?;
        task.busy = true;
        task.flag.queued.store(false, Ordering::Relaxed);
        Some((work, task.waker.clone(), task.seats.clone()))
    }

    /// Answers what is to be dropped outside of the lock.
    fn end_poll(&mut self, number: usize, work: Work, ended: bool) -> Option<Work> {
        let task = &mut self.tasks[number];
        task.busy = false;
        task.done |= ended || self.processes[task.process].incarnation != task.incarnation;
        if task.done {
            return Some(work);
        }
        task.work = Some(work);
        None
    }

    fn stall(&mut self, process: usize, incarnation: u32) -> Option<Nanos> {
        let chance = self.plan.faults.stalled;
        let quiet = self.observing || self.healed;
        if quiet || self.depth == 0 || self.depth > DEEPEST || !self.stall.chance(chance) {
            return None;
        }
        if self.processes[process].incarnation != incarnation {
            return None;
        }
        let ttl = Duration::from_nanos(self.plan.ttl);
        let until = self.now + nanos(self.stall.scale(ttl / 1000, ttl * 2));
        let until = until.min(self.plan.heal_at.saturating_sub(1)).max(self.now);
        self.reach_if_led(Some(process), Situation::LeaderStalled);
        // Sometimes one thread alone stands still, sometimes the whole process.
        if self.stall.chance(0.5) {
            self.pause(process, until, "stalled");
        }
        Some(until)
    }

    /// Whether a task that may change the leadership of this seat is in the middle of a poll.
    pub(crate) fn is_busy(&self, seat: usize) -> bool {
        self.depth > 0 && self.tasks.iter().any(|task| task.busy && task.seats.contains(&seat))
    }
}
