//! Two microcontrollers share a bus, and one of them controls a valve.
//!
//! `firmware/` is what runs on the boards: without a standard library, an operating system or an executor, with a
//! timer and a storage of its own. It builds for a Cortex-M4:
//! `cargo build -p lessor-embedded --target thumbv7em-none-eabihf`.
//!
//! This file simulates the world around them, tick by tick, the same in each run: crystals that differ by two per cent,
//! a main loop that hangs, a cable that is cut.
//!
//! `cargo run --example embedded`

use std::error::Error;
use std::process::ExitCode;

use firmware::arbiter::Arbiter;
use firmware::board::Board;
use firmware::bus::Mailbox;
use firmware::ticks::Ticks;
use firmware::valve::{Order, Valve};
use lessor::Term;

extern crate alloc;

#[allow(unreachable_pub, reason = "in a crate of its own it is reachable")]
mod firmware;

// Its counter wraps in the fifth second.
static TICKS: [Ticks; 3] = [Ticks::new(u32::MAX - 4_000), Ticks::new(0), Ticks::new(0)];
static MAILBOXES: [Mailbox; 2] = [Mailbox::new(), Mailbox::new()];

struct World {
    /// In true milliseconds.
    now: u32,
    boards: [Board; 2],
    hangs: [bool; 2],
    cut: [bool; 2],
    arbiter: Arbiter,
    valve: Valve,
    led: [Option<Term>; 2],
    two_leaders: u32,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let [a, b, arbiter] = &TICKS;
    let [mailbox_a, mailbox_b] = &MAILBOXES;
    let boards = [Board::new("a", a, mailbox_a, entropy(1))?, Board::new("b", b, mailbox_b, entropy(2))?];
    let mut world = World {
        now: 0,
        boards,
        hangs: [false; 2],
        cut: [false; 2],
        arbiter: Arbiter::new(arbiter),
        valve: Valve::default(),
        led: [None; 2],
        two_leaders: 0,
    };

    world.pass(3_000);
    let order = world.boards[0].turn().ok_or("a does not lead")?;
    world.say("a hangs, amidst an order");
    world.hangs[0] = true;
    world.pass(2_000);
    world.hangs[0] = false;
    world.say("a goes on with its order");
    world.send(0, order);

    world.pass(1_000);
    world.say("the cable of b is cut");
    world.cut[1] = true;
    world.pass(2_000);
    world.cut[1] = false;
    world.say("the cable of b is whole again");

    world.pass(1_000);
    world.say("a resigns");
    world.boards[0].resign();
    world.pass(1_000);

    world.say(&format!("the valve is open to {} %", world.valve.open()));
    println!("ticks at which two boards led: {}", world.two_leaders);
    Ok(if world.two_leaders == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl World {
    fn pass(&mut self, milliseconds: u32) {
        for _ in 0..milliseconds {
            self.now += 1;
            self.tick();
            self.carry_frames();
            for board in (0..2).filter(|board| !self.hangs[*board]).collect::<Vec<_>>() {
                if let Some(order) = self.boards[board].turn() {
                    self.send(board, order);
                }
            }
            self.watch();
        }
    }

    /// The interrupts go on, also on a board whose main loop hangs.
    fn tick(&self) {
        let [a, b, arbiter] = &TICKS;
        a.tick();
        // Its crystal is slow by two per cent, and the arbiter's is true.
        if !self.now.is_multiple_of(50) {
            b.tick();
        }
        arbiter.tick();
    }

    /// The bus carries one frame a millisecond for each board, there and back.
    fn carry_frames(&mut self) {
        for (mailbox, cut) in MAILBOXES.iter().zip(self.cut) {
            if let Some((number, request)) = mailbox.take_request().filter(|_| !cut) {
                mailbox.put_reply(number, self.arbiter.serve(&request));
            }
        }
    }

    fn send(&mut self, board: usize, order: Order) {
        if let Err(stale) = self.valve.obey(order) {
            self.say(&format!("the valve refuses {}: {stale}", name(board)));
        }
    }

    fn watch(&mut self) {
        for board in 0..2 {
            let leads = self.boards[board].leads_in();
            if leads != self.led[board] {
                match (self.led[board], leads) {
                    (_, Some(term)) => self.say(&format!("{} leads in term {term}", name(board))),
                    (Some(term), None) => self.say(&format!("{} knows that term {term} is over", name(board))),
                    (None, None) => {}
                }
                self.led[board] = leads;
            }
        }
        self.two_leaders += u32::from(self.led.iter().all(Option::is_some));
    }

    fn say(&self, what: &str) {
        println!("{:>5} ms: {what}", self.now);
    }
}

fn name(board: usize) -> &'static str {
    ["a", "b"][board]
}

/// The same each time, so that each run is the same. A board asks its chip.
fn entropy(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed
    }
}
