//! Connections that die without a sign, as behind a router that forgot them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Passes connections on, until they go silent: nothing comes any more, and no end.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    silent: Arc<AtomicUsize>,
    opened: Arc<AtomicUsize>,
}

impl Wire {
    /// To this port of the loopback interface.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let wire = Self { port, silent: Arc::default(), opened: Arc::default() };
        let (silent, opened) = (wire.silent.clone(), wire.opened.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let number = opened.fetch_add(1, Ordering::SeqCst);
                let ended = Arc::new(AtomicBool::new(false));
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let (silent, ended) = (silent.clone(), ended.clone());
                    thread::spawn(move || {
                        let mut bytes = [0; 4096];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            // Those before this number are silent.
                            if number >= silent.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        if !ended.swap(true, Ordering::SeqCst) {
                            let _ = to.shutdown(Shutdown::Both);
                        }
                    });
                }
            }
        });
        wire
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there were.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Those that are open go silent. New ones work.
    pub fn silence(&self) {
        self.silent.store(self.opened(), Ordering::SeqCst);
    }
}
