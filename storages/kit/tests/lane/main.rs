//! A lane in virtual time, before a server that does exactly what a test says.

mod capacity;
mod connections;
mod followers;
mod locks;
mod order;
mod patience;
mod readings;
mod server;
mod thread;

use std::time::Duration;

use futures::FutureExt;
use lessor::storage::{Acquired, Claim, Get, Release, Renewal, Reply, Request, Session};
use lessor::time::AnyTimer;
use lessor::{Id, Key, ManualTimer, StorageError, Term, Timer};
use lessor_kit::lane::Lane;
use server::{Control, Fake};

const TTL: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(2);

type Reply_ = Result<Reply, StorageError>;

/// A lane that the timer drives, and the server behind it.
struct Bench {
    timer: ManualTimer,
    lane: Lane<Fake>,
    server: Control,
}

impl Bench {
    fn new(connections: usize) -> Self {
        let timer = ManualTimer::new();
        let (fake, server) = server::fake(&timer);
        let (lane, drive) = Lane::driven(fake, connections, AnyTimer::new(timer.clone()), || u32::MAX);
        timer.spawn(drive);
        Self { timer, lane, server }
    }

    /// Asks, and lets time pass until it is answered.
    fn ask(&self, request: impl Into<Request>) -> Reply_ {
        self.timer.block_on(self.lane.ask(request.into())).expect("it is answered")
    }

    /// Asks beside whatever the test does next. The answer is to be fetched from what this returns.
    fn asking(&self, request: impl Into<Request>) -> Asking {
        let (answered, answer) = futures::channel::oneshot::channel();
        let asked = self.lane.ask(request.into());
        self.timer.spawn(async move {
            let _ = answered.send(asked.await);
        });
        Asking(answer)
    }

    fn pass(&self, time: Duration) {
        self.timer.block_on(self.timer.sleep(time)).expect("time passes");
    }

    /// With all of its connections open: a claim for each was answered.
    fn warm(connections: usize) -> Self {
        let bench = Self::new(connections);
        let _ = granted(bench.ask(claim("warm", 1)));
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.lane.traffic().connected, connections as u64);
        bench.server.forget_flights();
        bench
    }
}

/// An answer to come.
struct Asking(futures::channel::oneshot::Receiver<Reply_>);

impl Asking {
    fn answer(&mut self) -> Option<Reply_> {
        (&mut self.0).now_or_never().map(|answer| answer.expect("nobody drops it"))
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn claim(name: &str, session: u128) -> Claim {
    Claim::new(key(name), Id::new("a").unwrap(), Session::from_bits(session), TTL).patience(PATIENCE)
}

fn renewal(name: &str, session: u128) -> Renewal {
    let renewal = Renewal::new(key(name), Id::new("a").unwrap(), Session::from_bits(session), Term::FIRST, TTL);
    renewal.patience(PATIENCE).time_left(TTL)
}

fn release(name: &str, session: u128) -> Release {
    Release::new(key(name), Session::from_bits(session)).patience(PATIENCE)
}

fn get(name: &str) -> Get {
    Get::new(key(name)).patience(PATIENCE)
}

fn granted(reply: Reply_) -> Term {
    match reply {
        Ok(Reply::Acquired(Acquired::Granted { term, .. })) => term,
        other => panic!("{other:?}"),
    }
}
