//! An election without async: `Election` in a plain loop, with threads, the machine's clock and a storage that is
//! called like any function. No executor, no future.
//!
//! `cargo run --example no_async`
//!
//! Two threads campaign for one key. One of them leads, works for longer than its ttl of a second (so it renews), and
//! stops; the other, which waited, leads in the next term.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lessor::election::{Election, Input, Output};
use lessor::storage::{Record, Reply, Request, Session};
use lessor::{Config, Event, Id, Key, SystemTimer, Term, Timer};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let storage = Shelf::default();
    thread::scope(|scope| {
        let threads = ["node-a", "node-b"].map(|id| scope.spawn(|| campaign(id, &storage, 6)));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
}

/// Writes so many reports while it leads, and stops.
fn campaign(name: &str, storage: &Shelf, mut reports: u32) -> Outcome<()> {
    let clock = SystemTimer::new();
    let config = Config::with_ttl(Duration::from_secs(1));
    let (key, id, jitter) = (Key::new("report")?, Id::new(name)?, getrandom::u64()?);
    let mut election = Election::new(key, id, config, draw_session()?, jitter, clock.now())?;
    loop {
        // What the election asks for, in order, until it has to wait.
        let due = loop {
            match election.poll_output(clock.now()) {
                Output::Request { id, request, .. } => {
                    let reply = Ok(storage.call(&request));
                    election.handle_input(clock.now(), Input::Reply { id, reply });
                }
                Output::DrawSession => election.handle_input(clock.now(), Input::Session(draw_session()?)),
                Output::Event(Event::Elected { term, .. }) => println!("{name} leads in term {term}"),
                // There is no work that goes on beside this loop.
                Output::Event(Event::Ending { term, .. }) => election.handle_input(clock.now(), Input::Drained(term)),
                Output::Event(Event::Lost { term, reason, .. }) => {
                    println!("{name} leads no more in term {term}: {reason}")
                }
                Output::Timeout(at) => break at,
                Output::Done => return Ok(()),
                _ => {}
            }
        };
        // A piece of work, shorter than the time between two renewals. Asked before each, it compares with the clock.
        if election.is_leader(clock.now())
            && let Some(term) = election.status().term
        {
            println!("{name} writes a report in term {term}");
            reports -= 1;
            if reports == 0 {
                election.handle_input(clock.now(), Input::Stop);
                continue;
            }
        }
        let pause = due.saturating_duration_since(clock.now()).min(Duration::from_millis(300));
        thread::park_timeout(pause);
        election.handle_input(clock.now(), Input::Timeout);
    }
}

/// It proves who leads: unpredictable, and never the same twice.
fn draw_session() -> Outcome<Session> {
    Ok(Session::from_bits(u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?)))
}

/// The storage: a record under a lock. Yours may be a file, a table, a register of a bus.
#[derive(Default)]
struct Shelf(Mutex<Option<Record>>);

impl Shelf {
    /// One atomic step: takes the lock, then reads the clock, then does what the protocol says.
    fn call(&self, request: &Request) -> Reply {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = u64::try_from(SystemTimer::new().now().since_origin().as_millis()).unwrap_or(u64::MAX);
        let verdict = Record::judge(kept.as_ref(), request, now_ms, Term::FIRST);
        if verdict.write.is_some() {
            *kept = verdict.write;
        }
        verdict.reply
    }
}
