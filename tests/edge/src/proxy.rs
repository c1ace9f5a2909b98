//! Stands between a client and the service, carries bytes, and tells of the watch connections among them.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How each watch connection begins.
const WATCH: &[u8] = b"GET /v1/watch";

/// What became of a watch connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client opened one.
    Opened,
    /// It has ended on the client's side.
    Closed,
}

/// A proxy on a port of its own.
pub struct Proxy {
    port: u16,
    events: Receiver<Event>,
    watching: Arc<Mutex<Watching>>,
}

#[derive(Default)]
struct Watching {
    cut: bool,
    open: Vec<TcpStream>,
}

impl Proxy {
    /// To the service on this port of the loopback interface.
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (sender, events) = channel();
        let watching = Arc::new(Mutex::new(Watching::default()));
        let shared = watching.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (sender, watching) = (sender.clone(), shared.clone());
                thread::spawn(move || carry(client, to, &sender, &watching));
            }
        });
        Self { port, events, watching }
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What happens next, within this time.
    pub fn event(&self, within: Duration) -> Option<Event> {
        self.events.recv_timeout(within).ok()
    }

    /// Whether watch connections are cut, those that are open and those that come.
    pub fn cut(&self, cut: bool) {
        let mut watching = self.watching.lock().expect("no thread panics with it");
        watching.cut = cut;
        if cut {
            watching.open.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }
}

fn carry(mut client: TcpStream, to: u16, events: &Sender<Event>, watching: &Mutex<Watching>) -> Option<()> {
    let mut begin = [0; WATCH.len()];
    client.read_exact(&mut begin).ok()?;
    if begin != WATCH {
        return between(client, to, &begin);
    }
    let _ = events.send(Event::Opened);
    let cut = {
        let mut watching = watching.lock().expect("no thread panics with it");
        if !watching.cut {
            watching.open.extend(client.try_clone());
        }
        watching.cut
    };
    if !cut {
        between(client, to, &begin);
    }
    events.send(Event::Closed).ok()
}

/// Until the client ends it, or the service.
fn between(mut client: TcpStream, to: u16, begin: &[u8]) -> Option<()> {
    let mut server = TcpStream::connect(("127.0.0.1", to)).ok()?;
    server.write_all(begin).ok()?;
    let (mut from, mut back) = (server.try_clone().ok()?, client.try_clone().ok()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut client, &mut server);
    let _ = server.shutdown(Shutdown::Both);
    back.join().ok()
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}
