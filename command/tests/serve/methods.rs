//! Methods, and bodies that take too long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use lessor_served::{ADMIN, Server as _, call};

use crate::running::{Running, with};

/// What asks whether a server is there asks in either way.
#[test]
fn head_is_get_without_a_body() {
    let running = Running::start(with(&["--metrics-listen", "127.0.0.1:0"]));
    let metrics = running.metrics();
    for (url, path) in [(running.url(), "/healthz"), (running.url(), "/readyz"), (metrics.0, "/metrics")] {
        let answer = call(&url, "HEAD", path, None, None);
        assert_eq!((answer.status, &*answer.text), (200, ""), "{path}");
        let answer = call(&url, "POST", path, None, Some("{}"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
}

/// Whoever takes the wrong one is told the right one.
#[test]
fn the_right_method_is_named() {
    let running = Running::start(with(&[]));
    for (path, method) in
        [("/v1", "GET"), ("/v1/batch", "POST"), ("/v1/keys/k/acquire", "POST"), ("/v1/keys?limit=1", "GET")]
    {
        let answer = running.call("DELETE", path, Some(ADMIN), None);
        assert_eq!((answer.status, answer.header("allow")), (405, Some(method)), "{path}");
    }
    assert_eq!(running.call("GET", "/v1", Some(ADMIN), None).header("allow"), None);
}

/// A body that does not come to its end is nobody's mistake: whoever sent it may send it again.
#[test]
fn a_body_that_is_too_slow() {
    let running = Running::start(with(&[]));
    let mut stream = TcpStream::connect(running.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = "POST /v1/keys/k/acquire HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 99";
    write!(stream, "{head}\r\nauthorization: Bearer {ADMIN}\r\n\r\n{{").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"too-slow\""), "{answer}");
}
