//! Servers that the tests start, stop and kill. What is missing is an error, never a skipped test.

pub mod elections;
pub mod example;
pub mod faulty;
pub mod hand_over;
pub mod mysql;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod wire;

use std::net::TcpListener;

/// A port of this machine that nobody uses just now.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}
