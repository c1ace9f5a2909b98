//! What the log says, and that nobody waits for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use lessor_served::{ADMIN, CANDIDATE, Config, READER, Server as _, until};
use lessor_servers::postgres;
use serde_json::{Value, json};

use crate::running::{Running, Setting, command, with};

/// A batch that the storage fails at is one line, and how often it was.
#[test]
fn an_outage_is_no_flood() {
    let server = postgres::Server::start();
    let running = Running::start(Setting { storage: Some(server.url()), ..with(&["--log", "off"]) });
    server.stop();
    let batch: Vec<_> = (0..256).map(|number| json!({"get": {"key": format!("k{number}")}})).collect();
    let answers = running.call("POST", "/v1/batch", Some(READER), Some(&json!(batch).to_string())).json();
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["failed"]["type"].is_string()), "{answers}");
    let first = running.says("storage error");
    let next = running.says("storage error");
    assert!(next.starts_with(&first) && next.ends_with("(255 times more)"), "{first} {next}");
}

/// Nobody reads what it says: requests are answered all the same, and what is left out is counted.
#[test]
fn nobody_reads_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&with(&["--metrics-listen", "127.0.0.1:0"]), &folder, 0);
    let mut child = Ended(command.spawn().unwrap());
    let mut said = BufReader::new(child.0.stderr.take().unwrap());
    let mut address = |what: &str| {
        loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "it does not say {what}");
            if line.contains(what) {
                break format!("http://{}", line.split_once("http://").unwrap().1.trim().trim_end_matches("/metrics"));
            }
        }
    };
    let (url, metrics) = (address("serves on"), crate::running::Metrics(address("metrics are on")));
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let request = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "x".repeat(400));
    until("lines are left out", || {
        for _ in 0..200 {
            stream.write_all(request.as_bytes()).unwrap();
            let (mut head, mut length) = (BufReader::with_capacity(1, &stream), 0);
            loop {
                let mut line = String::new();
                head.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            head.read_exact(&mut vec![0; length]).unwrap();
        }
        (metrics.value("lessor_log_lines_lost_total") > 0.0).then_some(())
    });
    assert_eq!(lessor_served::call(&url, "GET", "/healthz", None, None).status, 200);
}

/// The same where there are no lines for requests: what is said of the storage holds up nobody either.
#[test]
fn nobody_reads_what_is_said_of_the_storage() {
    let (server, folder) = (postgres::Server::start(), tempfile::tempdir().unwrap());
    let setting = Setting { storage: Some(server.url()), ..with(&["--log", "off"]) };
    let mut child = Ended(command(&setting, &folder, 0).spawn().unwrap());
    let mut said = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let url = format!("http://{}", line.trim().split_once("http://").unwrap().1);
    server.stop();
    let batch: Vec<_> = (0..256).map(|number| json!({"get": {"key": format!("k{number}")}})).collect();
    let (answered, answers) = channel();
    thread::spawn(move || {
        for _ in 0..20 {
            let answer = lessor_served::call(&url, "POST", "/v1/batch", Some(READER), Some(&json!(batch).to_string()));
            answered.send(answer.status).unwrap();
        }
    });
    for _ in 0..20 {
        assert_eq!(answers.recv_timeout(Duration::from_secs(30)), Ok(200));
    }
}

/// A process that is ended when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Who asked, and from where: also where it was refused.
#[test]
fn who_asked_is_said() {
    let token =
        |token: &str, role: &str| json!({"token": token, "role": role, "name": role, "limits": {"requests": 6}});
    let tokens = json!([token(READER, "read"), token(CANDIDATE, "candidate"), token(ADMIN, "admin")]).to_string();
    let config = Config { tokens: Some(tokens), vars: Vec::new() };
    let running = Running::start(Setting { config, ..with(&["--log", "json"]) });
    let line = |method: &str, path: &str, token: Option<&str>, body: Option<&str>| {
        running.call(method, path, token, body);
        let line: Value = serde_json::from_str(&running.says("\"path\"")).unwrap();
        assert_eq!((&line["path"], &line["peer"]), (&json!(path), &json!("127.0.0.1")), "{line}");
        (line["status"].as_u64().unwrap(), line["caller"].as_str().unwrap().to_owned())
    };
    let read = |status| (status, "read".to_owned());
    for path in ["/v1", "/v1/keys/k/history", "/v1/keys/k/waiting", "/v1/keys/k"] {
        assert_eq!(line("GET", path, Some(READER), None), read(200), "{path}");
    }
    assert_eq!(line("POST", "/v1/keys/k/acquire", Some(READER), Some("{}")), read(403));
    assert_eq!(line("POST", "/v1/keys/k/forget", Some(ADMIN), Some("{}")), (200, "admin".to_owned()));
    assert_eq!(line("GET", "/v3", Some(READER), None), read(404));
    assert_eq!(line("GET", "/v1/keys/k", Some(READER), None), read(429));
    assert_eq!(line("GET", "/v1/keys/k", Some("nobodys-token-for-tests-01234"), None), (401, String::new()));
}

/// Whatever stands in a path, nothing of it is a command to whoever looks at the log.
#[test]
fn a_path_is_printed_as_text() {
    for format in ["text", "json"] {
        let running = Running::start(with(&["--log", format]));
        let address = running.url().trim_start_matches("http://").to_owned();
        for odd in ["\u{9b}31m", "\u{202e}", "\u{85}x"] {
            let mut stream = TcpStream::connect(&address).unwrap();
            write!(stream, "GET /odd/{odd}{} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", "x".repeat(1_000))
                .unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
            let line = running.says("/odd/");
            assert!(line.is_ascii() && line.len() < 700, "{line:?}");
        }
    }
}
