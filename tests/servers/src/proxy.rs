//! Stands between a storage and its server, and fails in every way that a network does.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{SystemTimer, Timer};

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
    /// They arrive this much later, each way.
    Delay(Duration),
    /// A request that has one of these in it is passed on, and its connection is reset when the server answers it: it was
    /// applied, and its sender does not hear so. None of these: whatever the server is sent.
    ResetAfterRequest(Vec<Vec<u8>>),
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
    mode: Mode,
    open: Vec<Weak<Link>>,
    resets: usize,
}

/// One connection, both ends of it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// The next answer is not to arrive.
    armed: AtomicBool,
    over: AtomicBool,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Requests,
    Replies,
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
        let state = Mutex::new(State { mode: Mode::Pass, open: Vec::new(), resets: 0 });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is down refuses: so does this.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    reset_on_close(&client);
                    continue;
                };
                accepting.open(client, server);
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
        let mut state = self.shared.lock();
        if mode == Mode::Cut {
            state.open.drain(..).filter_map(|link| link.upgrade()).for_each(|link| link.reset());
        }
        state.mode = mode;
        self.shared.changed.notify_all();
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

    fn open(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let link = Link { client, server, armed: AtomicBool::new(false), over: AtomicBool::new(false) };
        let link = Arc::new(link);
        let mut state = self.lock();
        if state.mode == Mode::Cut {
            return link.reset();
        }
        state.open.retain(|link| link.strong_count() > 0);
        state.open.push(Arc::downgrade(&link));
        for way in [Way::Requests, Way::Replies] {
            let (shared, link) = (self.clone(), link.clone());
            thread::spawn(move || shared.carry(&link, way));
        }
    }

    /// Until one side ends it.
    fn carry(&self, link: &Link, way: Way) {
        let (mut from, mut to) = match way {
            Way::Requests => (&link.client, &link.server),
            Way::Replies => (&link.server, &link.client),
        };
        let mut bytes = [0; 16 * 1024];
        let mut silent = false;
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let bytes = &bytes[..count];
            match self.fate(link, way, bytes) {
                Fate::Arrives(_) if silent => {}
                Fate::Arrives(after) => {
                    if !after.is_zero() {
                        block_on(SystemTimer::new().sleep(after));
                    }
                    if to.write_all(bytes).is_err() {
                        break;
                    }
                }
                Fate::Vanishes => silent = true,
                Fate::Reset => return link.reset(),
            }
        }
        if !link.over.swap(true, Ordering::SeqCst) {
            let _ = (link.client.shutdown(Shutdown::Both), link.server.shutdown(Shutdown::Both));
        }
    }

    fn fate(&self, link: &Link, way: Way, bytes: &[u8]) -> Fate {
        let mut state = self.lock();
        while state.mode == Mode::HoldRequests && way == Way::Requests {
            state = self.changed.wait(state).expect("no thread panics with it");
        }
        match &state.mode {
            Mode::DropRequests if way == Way::Requests => Fate::Vanishes,
            Mode::DropReplies if way == Way::Replies => Fate::Vanishes,
            Mode::Delay(by) => Fate::Arrives(*by),
            Mode::ResetAfterRequest(parts) if way == Way::Requests => {
                let has = |part: &Vec<u8>| bytes.windows(part.len()).any(|window| window == part.as_slice());
                link.armed.fetch_or(parts.is_empty() || parts.iter().any(has), Ordering::SeqCst);
                Fate::Arrives(Duration::ZERO)
            }
            Mode::ResetAfterRequest(_) if link.armed.load(Ordering::SeqCst) => {
                state.resets += 1;
                Fate::Reset
            }
            Mode::Cut => Fate::Reset,
            _ => Fate::Arrives(Duration::ZERO),
        }
    }
}

impl Link {
    /// Both ends hear of it at once, as soon as both threads have let go.
    fn reset(&self) {
        self.over.store(true, Ordering::SeqCst);
        for end in [&self.client, &self.server] {
            reset_on_close(end);
            let _ = end.shutdown(Shutdown::Read);
        }
    }
}

fn reset_on_close(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}
