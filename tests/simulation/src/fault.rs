//! What goes wrong, when, and for how long, and what operators do: drawn before the run begins.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Nanos, STOPPED};
use crate::plan::{Gone, Plan, nanos};
use crate::random::Random;
use crate::reached::Situation;
use crate::sim::{Event, Sim, World};
use crate::store::Down;
use crate::trace::What;
use crate::trouble::Way;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    at: Nanos,
    /// When it is over, at the latest at the healing.
    until: Nanos,
    what: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Messages to the storage, from it, or both are lost.
    Cut {
        process: usize,
        to: bool,
        from: bool,
    },
    Pause {
        process: usize,
    },
    Starve {
        process: usize,
        by: Nanos,
    },
    /// The machine sleeps.
    Suspend {
        process: usize,
    },
    Wake {
        process: usize,
    },
    /// The machine stands still, and its clocks with it.
    Freeze {
        process: usize,
    },
    Thaw {
        process: usize,
    },
    Crash {
        process: usize,
    },
    Rate {
        process: usize,
    },
    Step {
        process: usize,
        by: i64,
    },
    WallStep {
        process: usize,
        by: i64,
    },
    StorageDown(Down),
    StorageStep {
        by: i64,
    },
    StorageForgets,
    /// The requests for one key fail.
    KeyFails {
        key: usize,
        way: Way,
    },
    /// Only so many renewals of each process get through, each tenth of a ttl.
    Busy {
        most: u64,
    },
    Revoke {
        process: usize,
        row: usize,
        now: bool,
    },
    List {
        process: usize,
        prefix: &'static str,
        limit: usize,
    },
}

/// All faults of a run.
pub(crate) fn draw(plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    let ttl = Duration::from_nanos(plan.ttl);
    for process in 0..plan.participants.len() {
        let mut add = |name: &str, pause: f64, longest: f64, what: &mut dyn FnMut(&mut Random) -> Kind| {
            let mut random = Random::stream(plan.seed, name, process);
            times(plan, &mut random, pause, longest, |random, at, until| {
                faults.push(Fault { at, until, what: what(random) });
            });
        };
        let mix = &plan.faults;
        add("cut", mix.cut, 4.0, &mut |random| {
            let way = random.between(0, 4);
            Kind::Cut { process, to: way != 0, from: way != 1 }
        });
        add("pause", mix.paused, 4.0, &mut |_| Kind::Pause { process });
        add("starve", mix.starved, 6.0, &mut |random| Kind::Starve {
            process,
            by: nanos(random.scale(ttl / 1000, ttl)),
        });
        add("suspend", mix.suspended, 6.0, &mut |_| Kind::Suspend { process });
        add("freeze", mix.frozen, 4.0, &mut |_| Kind::Freeze { process });
        add("crash", mix.crashed, 3.0, &mut |_| Kind::Crash { process });
        if mix.clock_rates {
            add("rate", 8.0, 1.0, &mut |_| Kind::Rate { process });
        }
        add("step", mix.clock_steps, 1.0, &mut |random| Kind::Step { process, by: step(random, ttl) });
        add("wall", mix.clock_steps, 1.0, &mut |random| {
            let by = step(random, ttl);
            Kind::WallStep { process, by: if random.chance(0.5) { by } else { -by } }
        });
    }
    // What begins now also ends, each in its turn.
    let ends: Vec<_> = faults
        .iter()
        .filter_map(|fault| {
            let what = match fault.what {
                Kind::Suspend { process } => Kind::Wake { process },
                Kind::Freeze { process } => Kind::Thaw { process },
                _ => return None,
            };
            Some(Fault { at: fault.until, until: fault.until, what })
        })
        .collect();
    faults.extend(ends);
    let mut storage = |name: &str, pause: f64, longest: f64, what: &mut dyn FnMut(&mut Random) -> Kind| {
        let mut random = Random::stream(plan.seed, name, 0);
        times(plan, &mut random, pause, longest, |random, at, until| {
            faults.push(Fault { at, until, what: what(random) });
        });
    };
    let mix = &plan.faults;
    storage("down", mix.storage_down, 4.0, &mut |random| {
        Kind::StorageDown(random.choose(&[Down::Dead, Down::Refuses, Down::Stalls]))
    });
    storage("back", mix.storage_steps_back, 1.0, &mut |random| Kind::StorageStep { by: -step(random, ttl) });
    storage("forward", mix.storage_steps_forward, 1.0, &mut |random| Kind::StorageStep { by: step(random, ttl) });
    storage("forget", mix.storage_forgets, 1.0, &mut |_| Kind::StorageForgets);
    storage("key", mix.key_fails, 4.0, &mut |random| Kind::KeyFails {
        key: random.between(0, plan.keys as u64) as usize,
        way: random.choose(&[Way::Hangs, Way::Refused, Way::NotSent]),
    });
    storage("busy", mix.busy, 12.0, &mut |random| Kind::Busy { most: random.between(0, plan.keys as u64) });
    let process = |random: &mut Random| random.between(0, plan.participants.len() as u64) as usize;
    storage("revoke", mix.revokes, 1.0, &mut |random| Kind::Revoke {
        process: process(random),
        row: random.between(0, plan.rows() as u64) as usize,
        now: random.chance(0.5),
    });
    storage("list", mix.lists, 1.0, &mut |random| {
        let (process, prefix) = (process(random), random.choose(&["", "k", "k1"]));
        Kind::List { process, prefix, limit: random.between(0, 4) as usize }
    });
    if let Some(Gone { process, at, alone_from }) = plan.gone {
        faults.push(Fault { at, until: Nanos::MAX, what: Kind::Crash { process } });
        let others = (0..plan.participants.len()).filter(|other| *other != process);
        let cut = |process, at| Fault { at, until: plan.heal_at, what: Kind::Cut { process, to: true, from: true } };
        faults.extend(alone_from.into_iter().flat_map(|at| others.clone().map(move |other| cut(other, at))));
    }
    faults
}

/// Up to a hundred ttls, most of them around one.
fn step(random: &mut Random, ttl: Duration) -> i64 {
    nanos(random.scale(ttl / 100, ttl * 100)) as i64
}

/// Moments that know nothing of each other, on average `pause` ttls apart.
fn times(plan: &Plan, random: &mut Random, pause: f64, longest: f64, mut each: impl FnMut(&mut Random, Nanos, Nanos)) {
    if pause == 0.0 {
        return;
    }
    let ttl = Duration::from_nanos(plan.ttl);
    let mut at = 0;
    loop {
        at += nanos(random.exponential(ttl.mul_f64(pause)));
        if at >= plan.heal_at {
            return;
        }
        let until = (at + nanos(random.scale(ttl / 100, ttl.mul_f64(longest)))).min(plan.heal_at);
        each(random, at, until);
    }
}

impl World {
    pub(crate) fn fault_noted(&mut self, process: Option<usize>, fault: &'static str, until: Nanos) {
        let seats: Vec<_> = match process {
            Some(process) => (0..self.seats.len()).filter(|seat| self.seats[*seat].process == process).collect(),
            None => Vec::new(),
        };
        let until = Duration::from_nanos(until);
        if process.is_none() {
            self.note(|| What::Fault { candidate: None, fault, until }, [7, 0, fault.len() as u64]);
        }
        for seat in seats {
            self.note(|| What::Fault { candidate: Some(seat), fault, until }, [7, 1 + seat as u64, 0]);
        }
    }
}

impl Sim {
    pub(crate) fn fault(self: &Arc<Self>, number: usize) {
        let mut world = self.world();
        let Fault { until, what, .. } = world.faults[number];
        let now = world.now;
        let note = |world: &mut World, process, word| world.fault_noted(process, word, until);
        match what {
            Kind::Cut { process, .. } => world.reach_if_led(Some(process), Situation::LeaderCutOff),
            Kind::Pause { process } => world.reach_if_led(Some(process), Situation::LeaderPaused),
            Kind::Suspend { process } => world.reach_if_led(Some(process), Situation::LeaderSuspended),
            Kind::Freeze { process } => world.reach_if_led(Some(process), Situation::LeaderFrozen),
            Kind::Crash { process } => world.reach_if_led(Some(process), Situation::LeaderCrashed),
            Kind::StorageDown(_) => world.reach_if_led(None, Situation::StorageDownUnderLeader),
            Kind::StorageForgets => world.reach_if_led(None, Situation::StorageForgotLeader),
            _ => {}
        }
        match what {
            Kind::Cut { process, to, from } => {
                let cut = &mut world.processes[process].cut_until;
                cut.0 = if to { cut.0.max(until) } else { cut.0 };
                cut.1 = if from { cut.1.max(until) } else { cut.1 };
                note(
                    &mut world,
                    Some(process),
                    match (to, from) {
                        (true, true) => "cut off",
                        (true, false) => "cut off (requests)",
                        _ => "cut off (replies)",
                    },
                );
            }
            Kind::Pause { process } => world.pause(process, until, "paused"),
            Kind::Starve { process, by } => {
                world.processes[process].starve(until, by);
                note(&mut world, Some(process), "starved");
            }
            Kind::Suspend { process } => {
                world.processes[process].fall_asleep(now, until);
                world.pause(process, until, "suspended");
            }
            Kind::Wake { process } => world.processes[process].wake_up(now),
            Kind::Freeze { process } => {
                let state = &mut world.processes[process];
                state.frozen = true;
                state.clock.set_rate(now, STOPPED);
                state.wall.set_rate(now, STOPPED);
                world.pause(process, until, "frozen");
                world.exempt(process);
            }
            Kind::Thaw { process } => {
                let state = &mut world.processes[process];
                state.frozen = false;
                let rate = state.draw_rate();
                state.clock.set_rate(now, rate);
                state.wall.set_rate(now, rate);
                world.exempt(process);
            }
            Kind::Crash { process } => {
                world.fault_noted(Some(process), "crashed", until);
                if until < Nanos::MAX {
                    world.schedule(until, Event::Start(process));
                } else {
                    world.processes[process].gone = true;
                }
                drop(world);
                self.crash(process);
                return;
            }
            Kind::Rate { process } => {
                let state = &mut world.processes[process];
                if state.clock.rate() != STOPPED {
                    let rate = state.draw_rate();
                    state.clock.set_rate(now, rate);
                    state.wall.set_rate(now, rate);
                }
            }
            Kind::Step { process, by } => {
                world.processes[process].clock.step(now, by);
                world.fault_noted(Some(process), "clock steps", now);
            }
            Kind::WallStep { process, by } => {
                world.processes[process].wall.step(now, by);
                world.fault_noted(Some(process), "time of day steps", now);
            }
            Kind::StorageDown(down) => {
                world.store.down = Some((down, until));
                if down != Down::Stalls {
                    world.lose_watches();
                }
                note(
                    &mut world,
                    None,
                    match down {
                        Down::Dead => "dead",
                        Down::Refuses => "refuses",
                        Down::Stalls => "stalls",
                    },
                );
            }
            Kind::StorageStep { by } => {
                world.store.clock.step(now, by);
                let word = if by < 0 { "clock steps back" } else { "clock steps forward" };
                world.fault_noted(None, word, now);
            }
            Kind::KeyFails { key, way } => {
                world.fail_key(key, way, until);
                note(&mut world, None, "fails one key");
            }
            Kind::Busy { most } => {
                world.make_busy(most, until);
                note(&mut world, None, "busy");
            }
            Kind::Revoke { process, row, now } => world.revoke(process, row, now),
            Kind::List { process, prefix, limit } => world.list(process, prefix, limit),
            Kind::StorageForgets => {
                let World { store, plan, .. } = &mut *world;
                store.forget(plan, now);
                world.forget_reservations();
                world.fault_noted(None, "forgets", now);
                for key in 0..world.plan.keys {
                    let until = Duration::from_nanos(now);
                    world.note(|| What::Holds { key, candidate: None, term: 0, until }, [6, key as u64, 0]);
                }
            }
        }
        let processes = world.processes.len();
        drop(world);
        self.run_errands();
        for process in 0..processes {
            self.count_answering(process);
        }
    }

    /// Schedules everything that is going to happen to the processes and the storage.
    pub(crate) fn schedule_faults(&self) {
        let mut world = self.world();
        world.faults = draw(&world.plan);
        for number in 0..world.faults.len() {
            let at = world.faults[number].at;
            world.schedule(at, Event::Fault(number));
        }
        let heal_at = world.plan.heal_at;
        world.schedule(heal_at, Event::Heal);
    }
}
