//! Sockets that end, and those that are only thought to be open.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use lessor_served::{ADMIN, CANDIDATE, READER, Server as _, Socket, until};

use crate::running::{Running, with};

const CLAIM: &str = r#"{"id": "a", "session": "000102030405060708090a0b0c0d0e0f", "ttl_ms": 30000}"#;

/// A client whose machine has gone, without a word: it neither reads nor answers. Whoever only has nothing to say stays.
#[test]
fn a_client_that_is_gone() {
    let running = Running::start(with(&["--max-silence-ms", "5000", "--metrics-listen", "127.0.0.1:0"]));
    let metrics = running.metrics();
    let mut quiet = Socket::of(&running, READER);
    quiet.ask(r#"{"watch": {"number": 1, "keys": ["k"]}}"#);
    let hears = thread::spawn(move || quiet.try_hear());
    let address = running.url().trim_start_matches("http://").to_owned();
    let mut gone = TcpStream::connect(&address).unwrap();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(gone, "GET /v1/watch HTTP/1.1\r\nhost: {address}\r\n{upgrade}\r\nauthorization: Bearer {ADMIN}\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    gone.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    let found_out = "lessor_sockets_closed_total{code=\"4408\"}";
    until("it is found out", || (metrics.value(found_out) == 1.0).then_some(()));
    until("only the other one is open", || (metrics.value("lessor_sockets") == 1.0).then_some(()));
    running.call("POST", "/v1/keys/k/acquire", Some(CANDIDATE), Some(CLAIM));
    let heard = hears.join().unwrap();
    assert_eq!(heard.map(|heard| heard["change"]["change"].clone()), Ok("granted".into()), "that one is open yet");
}

/// Whoever closes is answered.
#[test]
fn a_close_is_answered() {
    let running = Running::start(with(&[]));
    for _ in 0..20 {
        let mut socket = Socket::of(&running, READER);
        assert_eq!(socket.close(1000), Some(1000));
    }
}
