//! Stands between a storage and its server, and fails in every way that a network does.

mod link;

use std::fmt;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

use crate::elections::{now, sleep_until};
use link::{Link, Way};

/// What becomes of the bytes, also of those on connections that are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They arrive.
    Pass,
    /// Those to the server vanish. A connection that lost some carries no more that way, ever.
    DropRequests,
    /// Those from the server vanish, likewise.
    DropReplies,
    /// Those to the server wait until the mode is another, and then arrive, even if their sender is gone.
    HoldRequests,
    /// They arrive this much later, each way, however many are under way. It takes a new connection as long, there and
    /// back, to come about.
    Delay(Duration),
    /// A request that has one of these in it is passed on, and its connection is reset when the server answers it: it was
    /// applied, and its sender does not hear so. None of these: whatever the server is sent.
    ResetAfterRequest(Vec<Vec<u8>>),
    /// A connection on which one of these is sent is reset, and that does not arrive.
    Refuse(Vec<Vec<u8>>),
    /// Every connection is reset, and each new one.
    Cut,
}

/// A proxy on a port of its own, for as long as the program runs.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Where new connections go.
    server: u16,
    mode: Mode,
    /// How much later a new connection is taken.
    accept_after: Duration,
    links: Vec<Weak<Link>>,
    opened: usize,
    rounds: usize,
    resets: usize,
}

enum Fate {
    Arrives(Duration),
    Vanishes,
    Reset,
}

impl Proxy {
    /// To this port of the loopback interface.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let state = State {
            server,
            mode: Mode::Pass,
            accept_after: Duration::ZERO,
            links: Vec::new(),
            opened: 0,
            rounds: 0,
            resets: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = accepting.clone();
                // What it waits for keeps no other connection waiting.
                thread::spawn(move || shared.accept(client));
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        let cut = mode == Mode::Cut;
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
        if cut {
            self.reset_open();
        }
    }

    /// Connections that are opened from now on go to this port. Those that are open stay where they are.
    pub fn point_to(&self, server: u16) {
        self.shared.lock().server = server;
    }

    /// New connections are taken this much later.
    pub fn accept_after(&self, delay: Duration) {
        self.shared.lock().accept_after = delay;
    }

    /// What is open now stays open and carries nothing more, as when a router has forgotten it. New connections work.
    pub fn forget(&self) {
        self.shared.links().iter().for_each(|link| link.forget());
    }

    /// What is open now is reset. New connections work.
    pub fn reset_open(&self) {
        self.shared.links().iter().for_each(|link| link.reset());
    }

    /// From now on a connection on which nothing came for so long, and no answer is awaited, is closed. What the machine stands still
    /// does not count: nothing could come.
    pub fn close_idle(&self, after: Duration) {
        const LOOKS: u32 = 10;
        let shared = self.shared.clone();
        thread::spawn(move || {
            loop {
                sleep_until(now().saturating_add(after / LOOKS));
                shared.links().iter().filter(|link| link.is_idle(LOOKS as usize)).for_each(|link| link.close());
            }
        });
    }

    /// How many connections it has taken so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.shared.lock().opened
    }

    /// How many are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.links().iter().filter(|link| !link.is_over()).count()
    }

    /// How often a client began to speak, and then waited for the server: what costs a round trip each, those of a new
    /// connection included.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.shared.lock().rounds
    }

    /// How many connections it has reset after a request.
    #[must_use]
    pub fn resets(&self) -> usize {
        self.shared.lock().resets
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    /// Those that still have somebody at one end.
    fn links(&self) -> Vec<Arc<Link>> {
        self.lock().links.iter().filter_map(Weak::upgrade).collect()
    }

    fn accept(self: &Arc<Self>, client: TcpStream) {
        let (server, delay) = {
            let mut state = self.lock();
            state.opened += 1;
            let round_trip = if let Mode::Delay(by) = state.mode { by * 2 } else { Duration::ZERO };
            (state.server, state.accept_after + round_trip)
        };
        sleep_until(now().saturating_add(delay));
        // A server that is down refuses: so does this.
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return link::reset_on_close(&client) };
        let link = Arc::new(Link::new(client, server));
        {
            let mut state = self.lock();
            if state.mode == Mode::Cut {
                return link.reset();
            }
            state.links.retain(|link| link.strong_count() > 0);
            state.links.push(Arc::downgrade(&link));
        }
        link.carry(self);
    }

    /// Of what just came on a connection, or when it may go on.
    fn fate(&self, link: &Link, way: Way, bytes: &[u8]) -> Fate {
        let has = |part: &Vec<u8>| bytes.windows(part.len()).any(|window| window == part.as_slice());
        let mut state = self.lock();
        state.rounds += usize::from(link.begins_a_round(way));
        while state.mode == Mode::HoldRequests && way == Way::Requests {
            state = self.changed.wait(state).expect("no thread panics with it");
        }
        match &state.mode {
            Mode::DropRequests if way == Way::Requests => Fate::Vanishes,
            Mode::DropReplies if way == Way::Replies => Fate::Vanishes,
            Mode::Delay(by) => Fate::Arrives(*by),
            Mode::Refuse(parts) if way == Way::Requests && parts.iter().any(has) => Fate::Reset,
            Mode::ResetAfterRequest(parts) if way == Way::Requests => {
                link.arm(parts.is_empty() || parts.iter().any(has));
                Fate::Arrives(Duration::ZERO)
            }
            Mode::ResetAfterRequest(_) if link.is_armed() => {
                state.resets += 1;
                Fate::Reset
            }
            Mode::Cut => Fate::Reset,
            _ => Fate::Arrives(Duration::ZERO),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}
