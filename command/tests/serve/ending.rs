//! What it is told by signals, from its first moment to its last.

use std::net::TcpListener;
use std::process::Command;

use lessor_served::{CANDIDATE, READER, Server as _, Socket, until};

use crate::running::{Running, Setting, command, with};

fn status(running: &Running, path: &str, token: Option<&str>) -> u16 {
    running.call("GET", path, token, None).status
}

/// It is told to read its settings anew, and to end, while it still waits for its storage.
#[test]
fn signals_while_the_storage_is_opened() {
    let storage = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u@{}/d", storage.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(&Setting { storage: Some(url), ..Setting::default() }, &folder, 0).spawn().unwrap();
    let id = child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    // It is under way, and nobody answers.
    let _connection = storage.accept().unwrap();
    signal("-HUP");
    signal("-HUP");
    signal("-TERM");
    assert_eq!(until("it ends", || child.try_wait().unwrap()).code(), Some(0));
}

/// While it drains it serves on, and says that nobody should be sent there.
#[test]
fn it_drains_before_it_ends() {
    let mut running = Running::start(with(&["--drain-ms", "600000"]));
    let mut socket = Socket::of(&running, READER);
    assert_eq!(status(&running, "/readyz", None), 200);
    running.signal("-TERM");
    until("it is not ready", || (status(&running, "/readyz", None) == 503).then_some(()));
    assert_eq!([status(&running, "/v1", Some(CANDIDATE)), status(&running, "/healthz", None)], [200, 200]);
    assert_eq!(socket.ask(r#"{"watch": {"number": 1, "keys": ["k"]}}"#).len(), 2);
    // Once more: whoever says so does not want to wait.
    running.signal("-TERM");
    assert_eq!(socket.try_hear(), Err(1001));
    assert_eq!(running.ended(), Some(0));

    let mut running = Running::start(with(&["--drain-ms", "300"]));
    running.signal("-TERM");
    assert_eq!(running.ended(), Some(0), "by itself");
}
