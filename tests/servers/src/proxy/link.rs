use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use lessor::Instant;

use super::{Fate, Shared};
use crate::elections::{now, sleep_until};

/// One connection, both ends of it.
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    /// How often it was looked at since something last came.
    looks: AtomicUsize,
    /// The client spoke last.
    asked: AtomicBool,
    /// The next answer is not to arrive.
    armed: AtomicBool,
    /// Nothing arrives any more, not even the end.
    forgotten: AtomicBool,
    over: AtomicBool,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    Requests,
    Replies,
}

/// What is under way, and when it arrives.
type Late = (Instant, Vec<u8>);

impl Link {
    pub(super) fn new(client: TcpStream, server: TcpStream) -> Self {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        Self {
            client,
            server,
            looks: AtomicUsize::new(0),
            asked: AtomicBool::new(false),
            armed: AtomicBool::new(false),
            forgotten: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// Until one side ends it, on threads of its own.
    pub(super) fn carry(self: &Arc<Self>, shared: &Arc<Shared>) {
        for way in [Way::Requests, Way::Replies] {
            let (depart, arrive) = channel();
            let (link, shared) = (self.clone(), shared.clone());
            thread::spawn(move || link.take(&shared, way, &depart));
            let link = self.clone();
            thread::spawn(move || link.bring(way, &arrive));
        }
    }

    /// Reads on while what came before is under way.
    fn take(&self, shared: &Shared, way: Way, depart: &Sender<Late>) {
        let mut from = if way == Way::Requests { &self.client } else { &self.server };
        let mut bytes = [0; 16 * 1024];
        let mut silent = false;
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            self.looks.store(0, Ordering::SeqCst);
            match shared.fate(self, way, &bytes[..count]) {
                Fate::Arrives(_) if silent => {}
                Fate::Arrives(after) => {
                    if depart.send((now().saturating_add(after), bytes[..count].to_vec())).is_err() {
                        break;
                    }
                }
                Fate::Vanishes => silent = true,
                Fate::Reset => return self.reset(),
            }
        }
    }

    fn bring(&self, way: Way, arrive: &Receiver<Late>) {
        let mut to = if way == Way::Requests { &self.server } else { &self.client };
        for (due, bytes) in arrive {
            sleep_until(due);
            // It may have been reset meanwhile, or forgotten.
            let carries = !self.forgotten.load(Ordering::SeqCst);
            if self.is_over() || carries && to.write_all(&bytes).is_err() {
                break;
            }
        }
        self.close();
    }

    /// Both ends hear of it, unless it is forgotten.
    pub(super) fn close(&self) {
        let was_over = self.over.swap(true, Ordering::SeqCst);
        if !was_over && !self.forgotten.load(Ordering::SeqCst) {
            let _ = (self.client.shutdown(Shutdown::Both), self.server.shutdown(Shutdown::Both));
        }
    }

    /// Both ends hear of it at once, as soon as all threads have let go.
    pub(super) fn reset(&self) {
        self.over.store(true, Ordering::SeqCst);
        for end in [&self.client, &self.server] {
            reset_on_close(end);
            let _ = end.shutdown(Shutdown::Read);
        }
    }

    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Looks whether nothing has come for so many looks, and no answer is awaited.
    pub(super) fn is_idle(&self, looks: usize) -> bool {
        self.looks.fetch_add(1, Ordering::SeqCst) >= looks && !self.asked.load(Ordering::SeqCst)
    }

    /// The client speaks, and the server spoke last.
    pub(super) fn begins_a_round(&self, way: Way) -> bool {
        let asks = way == Way::Requests;
        !self.asked.swap(asks, Ordering::SeqCst) && asks
    }

    pub(super) fn arm(&self, armed: bool) {
        self.armed.fetch_or(armed, Ordering::SeqCst);
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::SeqCst)
    }
}

pub(super) fn reset_on_close(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
