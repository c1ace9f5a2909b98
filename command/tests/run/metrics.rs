//! `--metrics`: what Prometheus reads.

use std::io::{Read, Write};
use std::net::TcpStream;

use lessor_servers::free_port;
use rustix::process::Signal;

use crate::process::{Files, err, until};

fn ask(port: u16, request: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn metrics_show_who_leads() {
    smol::block_on(async {
        let files = Files::new();
        let (port, other) = (free_port(), free_port());
        let mut leader = files.start(&["--metrics", &port.to_string()], "echo ready; exec sleep 1000");
        assert_eq!(leader.line().await, "ready");
        let mut follower = files.start(&["--metrics", &format!("127.0.0.1:{other}")], "echo never");
        let has = |port, line: &str| ask(port, "GET /metrics").contains(line);
        until("the leader leads", || has(port, "\nlessor_leading{key=\"nightly\"} 1\n")).await;
        until("the follower has seen it", || has(other, "\nlessor_term{key=\"nightly\"} 1\n")).await;
        for line in [
            "lessor_leading{key=\"nightly\"} 0",
            "lessor_time_left_seconds{key=\"nightly\"} 0",
            "lessor_ready{key=\"nightly\"} 1",
        ] {
            assert!(has(other, &format!("\n{line}\n")), "{}", ask(other, "GET /metrics"));
        }
        until("it was renewed", || has(port, "operation=\"renew\",outcome=\"extended\"")).await;
        let told = ask(port, "GET /metrics");
        let left = told.lines().find_map(|line| line.strip_prefix("lessor_time_left_seconds{key=\"nightly\"} "));
        assert!(left.is_some_and(|left| (0.0..3.0).contains(&left.parse::<f64>().unwrap())), "{told}");
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains("text/plain; version=0.0.4"), "{told}");
        assert!(ask(port, "GET /").starts_with("HTTP/1.1 404 "));
        assert!(ask(port, "POST /metrics").starts_with("HTTP/1.1 405 "));

        let blocked = files.block_storage();
        until("failures are counted", || has(other, "\nlessor_failures_total{key=\"nightly\",kind=\"transient\"} "))
            .await;
        drop(blocked);
        for run in [&mut follower, &mut leader] {
            run.signal(Signal::TERM);
            run.code().await;
        }
    });
}

/// An address that is taken is an argument that is wrong.
#[test]
fn an_address_that_is_taken_is_said() {
    smol::block_on(async {
        let files = Files::new();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let output = files.output(&["--metrics", &address], "echo never").await;
        assert_eq!(output.status.code(), Some(120), "{output:?}");
        assert!(err(&output).contains(&format!("--metrics is {address}, which cannot be had")), "{output:?}");
    });
}
