//! As many connections as files may be open.

use std::fs;
use std::net::TcpStream;

use lessor_served::{READER, Server as _, until};

use crate::running::{Running, Setting, with};

fn limited(files: &str, arguments: &[&str]) -> Setting {
    Setting { under: vec!["prlimit".into(), format!("--nofile={files}")], ..with(arguments) }
}

/// It says so at the start, and when it comes to that; and goes on when there is room again.
#[test]
fn too_few_files() {
    let running = Running::start(limited("64:64", &["--metrics-listen", "127.0.0.1:0"]));
    let said = running.says("it may open 64 files");
    assert!(said.contains("--max-connections 10000") && said.contains("LimitNOFILE="), "{said}");
    let metrics = running.metrics();
    let address = running.url().trim_start_matches("http://").to_owned();
    let many: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let said = running.says("a connection cannot be accepted");
    assert!(said.contains("open files") && said.contains("LimitNOFILE="), "{said}");
    drop(many);
    until("it is counted", || (metrics.value("lessor_accept_errors_total{kind=\"files\"}") > 0.0).then_some(()));
    assert_eq!(running.call("GET", "/v1", Some(READER), None).status, 200);
}

/// What it may raise by itself it raises.
#[test]
fn the_limit_is_raised() {
    let running = Running::start(limited("64:4096", &["--max-connections", "100", "--max-sockets", "100"]));
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("456"), "{line}");
}
