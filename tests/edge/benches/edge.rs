//! The Worker beside a plain JavaScript one that does the same: medians of interleaved runs, as ratios.
//!
//! `tests/run bench` runs it; with `tokens` only what it costs to know who asks. State is kept in memory, so that the disk is not what is measured.
#![allow(clippy::disallowed_methods, reason = "what is measured is time")]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lessor_edge_tests::{CANDIDATE, READER, REFERENCE, SERVICE, Setting, Worker, Workerd};
use lessor_served::issuer;
use serde_json::json;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

const RUNS: usize = 5;
const CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(3);

/// A connection that is kept, with one request that is sent again and again.
struct Client {
    stream: TcpStream,
    /// What stands before the token, and after it.
    request: [String; 2],
    answer: Vec<u8>,
}

impl Client {
    fn new(workerd: &Workerd, path: &str, body: &str) -> Self {
        let address = workerd.url().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer ");
        let rest = format!("\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        Self { stream, request: [head, rest], answer: vec![0; 4096] }
    }

    fn call(&mut self, says: &str) {
        self.call_with(CANDIDATE, says);
    }

    fn call_with(&mut self, token: &str, says: &str) {
        let [head, rest] = &self.request;
        self.stream.write_all(format!("{head}{token}{rest}").as_bytes()).expect("it is sent");
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.answer[filled..]).expect("an answer");
            assert!(count > 0, "cut off");
            filled += count;
            let text = std::str::from_utf8(&self.answer[..filled]).expect("it is text");
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if length.is_some_and(|length: usize| body.len() >= length) || body.ends_with("0\r\n\r\n") {
                    assert!(body.contains(says), "{text}");
                    return;
                }
            }
        }
    }
}

const CLAIM: &str = "{\"id\": \"a\", \"session\": \"000102030405060708090a0b0c0d0e0f\", \"ttl_ms\": 3600000}";

/// Renewals a second, and µs of the server's CPU for each, with tokens that this gives.
fn renewals(setting: &Setting, token: impl Fn() -> String + Sync) -> (f64, f64) {
    let workerd = Workerd::start(setting);
    Client::new(&workerd, "/v1/keys/k/acquire", CLAIM).call("granted");
    let renewal = CLAIM.replace('}', ", \"term\": 1}");
    let (counted, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut client = Client::new(&workerd, "/v1/keys/k/renew", &renewal);
                while !over.load(Ordering::Relaxed) {
                    client.call_with(&token(), "extended");
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(WARM_UP);
        let (began, count, cpu) = (Instant::now(), counted.load(Ordering::Relaxed), workerd.cpu());
        thread::sleep(MEASURED);
        let (took, count, cpu) = (began.elapsed(), counted.load(Ordering::Relaxed) - count, workerd.cpu() - cpu);
        over.store(true, Ordering::Relaxed);
        (count as f64 / took.as_secs_f64(), cpu.as_secs_f64() * 1e6 / count as f64)
    })
}

/// By what a renewal is asked for: its name, and signed tokens, of which each has its turn. Without one it is a secret.
fn kinds() -> [(&'static str, Vec<String>); 4] {
    let [rsa, ec, _] = issuer::pairs();
    let signed = |pair: &issuer::Pair, count| -> Vec<String> {
        let ends = issuer::now_s() + 3_600.0;
        let token =
            |number| pair.sign(pair.alg(), &json!({"iss": "i", "aud": "a", "sub": "s", "exp": ends, "jti": number}));
        (0..count).map(token).collect()
    };
    [
        ("a secret", Vec::new()),
        ("a signed token that is known", signed(ec, 1)),
        // More than are known at a time.
        ("a new one each time, ES256", signed(ec, 12_000)),
        ("a new one each time, RS256", signed(rsa, 12_000)),
    ]
}

/// Renewals a second, and µs of the server's CPU for each, by these tokens.
fn renewals_by(tokens: &[String]) -> (f64, f64) {
    let keys: Vec<_> = issuer::pairs().iter().map(|pair| pair.public(pair.alg())).collect();
    let limits = json!({"requests": u32::MAX});
    let subjects = json!([{"subject": "*", "role": "candidate", "name": "n", "limits": limits}]);
    let issuers = json!([{"issuer": "i", "audience": "a", "jwks": {"keys": keys}, "subjects": subjects}]);
    let mut setting = Setting::default();
    setting.vars.push(("LESSOR_ISSUERS", issuers.to_string()));
    setting.tokens = Some(json!([{"token": CANDIDATE, "role": "candidate", "limits": limits}]).to_string());
    let next = AtomicU64::new(0);
    renewals(&setting, || {
        let number = next.fetch_add(1, Ordering::Relaxed) as usize % tokens.len().max(1);
        tokens.get(number).map_or_else(|| CANDIDATE.to_owned(), Clone::clone)
    })
}

/// Ms from the start of the process to the first answer of an object.
fn first_answer(worker: Worker) -> f64 {
    let began = Instant::now();
    let workerd = Workerd::start(&Setting::of(worker));
    Client::new(&workerd, "/v1/keys/k/acquire", CLAIM).call("granted");
    began.elapsed().as_secs_f64() * 1e3
}

/// Ms from when a release is sent to when a watcher has heard of it.
fn release_to_notice() -> f64 {
    let workerd = Workerd::start(&Setting::of(SERVICE));
    let address = workerd.url().trim_start_matches("http://").to_owned();
    let mut request = format!("ws://{address}/v1/watch").into_client_request().expect("a request");
    request.headers_mut().append("authorization", format!("Bearer {READER}").parse().expect("a header"));
    let stream = TcpStream::connect(address).expect("it listens");
    let mut socket: WebSocket<_> = tungstenite::client(request, stream).expect("a socket").0;
    let hear = |socket: &mut WebSocket<TcpStream>, word: &str| {
        while !socket.read().expect("a message").to_text().is_ok_and(|text| text.contains(word)) {}
    };
    socket.send(Message::text(r#"{"watch": {"number": 1, "keys": ["k"]}}"#)).expect("it is sent");
    hear(&mut socket, "watched");
    let mut times = Vec::new();
    for term in 0..20_u64 {
        let claim = if term == 0 { CLAIM.to_owned() } else { CLAIM.replace('}', &format!(", \"after\": {term}}}")) };
        Client::new(&workerd, "/v1/keys/k/acquire", &claim).call("granted");
        hear(&mut socket, "\"change\":\"granted\"");
        let release = "{\"session\": \"000102030405060708090a0b0c0d0e0f\"}";
        let mut client = Client::new(&workerd, "/v1/keys/k/release", release);
        let began = Instant::now();
        client.call("released");
        hear(&mut socket, "\"change\":\"released\"");
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    median(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test --benches` only wants to know that it is there.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    if std::env::args().any(|arg| arg == "tokens") {
        println!("{}", tokens());
        return;
    }
    let mut rows = [(); 2].map(|()| (Vec::new(), Vec::new(), Vec::new()));
    let mut notices = Vec::new();
    for _ in 0..RUNS {
        for (worker, (rates, cpus, starts)) in [SERVICE, REFERENCE].into_iter().zip(&mut rows) {
            let (rate, cpu) = renewals(&Setting::of(worker), || CANDIDATE.to_owned());
            rates.push(rate);
            cpus.push(cpu);
            starts.push(first_answer(worker));
        }
        notices.push(release_to_notice());
    }
    let [ours, plain] = rows.map(|(rates, cpus, starts)| [rates, cpus, starts].map(median));
    let mut table = String::from("| | the Worker | plain JavaScript | ratio |\n|---|---|---|---|\n");
    for (number, name) in ["renewals a second", "CPU of a renewal, µs", "start to first answer, ms"].iter().enumerate()
    {
        let (ours, plain) = (ours[number], plain[number]);
        let _ = writeln!(table, "| {name} | {ours:.0} | {plain:.0} | {:.2} |", ours / plain);
    }
    let _ = writeln!(table, "| release to a watcher's notice, ms | {:.1} | | |", median(notices));
    println!("{table}");

    println!("{}", tokens());
}

/// What it costs to know who asks.
fn tokens() -> String {
    let kinds = kinds();
    let mut rows = [(); 4].map(|()| (Vec::new(), Vec::new()));
    for _ in 0..RUNS {
        for ((_, tokens), (rates, cpus)) in kinds.iter().zip(&mut rows) {
            let (rate, cpu) = renewals_by(tokens);
            rates.push(rate);
            cpus.push(cpu);
        }
    }
    let mut table = String::from("| a renewal with | a second | CPU, µs | ratio |\n|---|---|---|---|\n");
    let rows = rows.map(|(rates, cpus)| (median(rates), median(cpus)));
    for ((name, _), (rate, cpu)) in kinds.iter().zip(rows) {
        let _ = writeln!(table, "| {name} | {rate:.0} | {cpu:.0} | {:.2} |", cpu / rows[0].1);
    }
    table
}
