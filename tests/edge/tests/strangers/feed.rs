//! What the leader of the tabs is connected to.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tungstenite::Message;

/// How many connections a feed has: now, at most at a time, ever.
pub(crate) type Connections = Arc<Mutex<[usize; 3]>>;

/// A feed of news over a WebSocket.
pub(crate) fn feed() -> (String, Connections) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://127.0.0.1:{}/feed", listener.local_addr().unwrap().port());
    let connections = Connections::default();
    let counted = connections.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let counted = counted.clone();
            thread::spawn(move || {
                let mut socket = tungstenite::accept(stream).unwrap();
                let number = {
                    let mut counted = counted.lock().unwrap();
                    *counted = [counted[0] + 1, counted[1].max(counted[0] + 1), counted[2] + 1];
                    counted[2]
                };
                socket.get_ref().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                while socket.send(Message::text(format!("news of connection {number}"))).is_ok() {
                    match socket.read() {
                        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) | Ok(Message::Close(_)) => break,
                        Ok(_) => {}
                    }
                }
                counted.lock().unwrap()[0] -= 1;
            });
        }
    });
    (url, connections)
}
