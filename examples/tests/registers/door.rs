//! A door to a server: a port of the loopback interface at which it answers over HTTP. A server may have many.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// What a server keeps to.
pub(crate) trait Rules: Send + Sync + 'static {
    /// The name of what is asked for.
    fn operation(&self, asked: &Asked) -> String;

    /// Status and body of the answer.
    fn answer(&self, asked: &Asked) -> (u16, Value);
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Their names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(this, _)| this == name).map(|(_, value)| value.as_str())
    }

    /// Of the body, if that is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// It is closed when it is dropped.
pub(crate) struct Door(Arc<Shared>);

struct Shared {
    rules: Arc<dyn Rules>,
    address: SocketAddr,
    connections: Mutex<Vec<TcpStream>>,
    closed: AtomicBool,
    /// The reply to the next write is lost.
    loses: AtomicBool,
    /// How long a write is on its way.
    takes: Mutex<Duration>,
    /// What was asked for, and with which status it was answered.
    log: Mutex<Vec<String>>,
}

impl Door {
    pub(crate) fn open(rules: Arc<dyn Rules>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            rules,
            address: listener.local_addr().unwrap(),
            connections: Mutex::default(),
            closed: AtomicBool::new(false),
            loses: AtomicBool::new(false),
            takes: Mutex::default(),
            log: Mutex::default(),
        });
        let within = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                if within.closed.load(Ordering::SeqCst) {
                    break;
                }
                let (connection, within) = (connection.unwrap(), within.clone());
                within.connections.lock().unwrap().push(connection.try_clone().unwrap());
                thread::spawn(move || within.serve(&connection));
            }
        });
        Self(shared)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Lets the next write be applied, and its reply be lost.
    pub(crate) fn lose_a_reply(&self) {
        self.0.loses.store(true, Ordering::SeqCst);
    }

    /// From now on writes are so long on their way.
    pub(crate) fn linger(&self, time: Duration) {
        *self.0.takes.lock().unwrap() = time;
    }

    /// Ends all connections, as a server does that starts anew.
    pub(crate) fn cut(&self) {
        for connection in self.0.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// What was asked for since it was last looked at.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.log.lock().unwrap())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::SeqCst);
        // So that its thread looks.
        let _ = TcpStream::connect(self.0.address);
        self.cut();
    }
}

impl Shared {
    /// Until the connection ends.
    fn serve(&self, connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        while let Some(asked) = read(&mut reader) {
            let operation = self.rules.operation(&asked);
            let writes = !matches!(operation.as_str(), "GET" | "GetItem" | "Scan");
            let takes = *self.takes.lock().unwrap();
            if writes && !takes.is_zero() {
                smol::block_on(smol::Timer::after(takes));
            }
            let (status, body) = self.rules.answer(&asked);
            self.log.lock().unwrap().push(format!("{operation} {status}"));
            if writes && self.loses.swap(false, Ordering::SeqCst) {
                let _ = connection.shutdown(Shutdown::Both);
                return;
            }
            let body = body.to_string();
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
            let mut writer = connection;
            if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The next request. `None`: there is no more.
fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_string(&mut asked.body).ok()?;
    Some(asked)
}
