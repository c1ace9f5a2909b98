//! Renewals a second through `lessor serve`, as a ratio of those through a bare hyper server that asks the same storage for the same renewals:
//! what the API, its tokens and what is noted cost.
//!
//! `cargo bench -p lessor-cli --bench serve`: over a file of SQLite, and over a PostgreSQL that it starts. The two servers take turns.

use std::convert::Infallible;
use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lessor::storage::{Claim, Renewal, Session};
use lessor::{Id, Key, Storage, Term};
use tokio::net::TcpListener;

const RUNS: usize = 5;
const CONNECTIONS: usize = 8;
const KEYS: usize = 64;
const MEASURED: Duration = Duration::from_secs(3);
const TTL: Duration = Duration::from_secs(3_600);
const TOKEN: &str = "bench-token-0123456789-abcdef";

fn session(number: usize) -> Session {
    Session::from_bits(0x5e55_0000_0000_0000_0000_0000_0000_0001 + number as u128)
}

fn key(number: usize) -> Key {
    Key::new(format!("bench/{number}")).expect("a key")
}

/// A server that does nothing but what the storage does: the path is the number of a key and its term.
async fn bare(url: &str) {
    let storage = lessor_any::open(url).await.expect("a storage");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("a port").port());
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("a socket");
        let storage = storage.clone();
        tokio::spawn(async move {
            let serve = |request: Request<Incoming>| {
                let storage: Arc<dyn Storage> = storage.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    body.collect().await.expect("a body");
                    let mut numbers =
                        parts.uri.path().trim_start_matches('/').split('/').map(|part| part.parse::<u64>());
                    let mut number = || numbers.next().and_then(Result::ok).expect("a number");
                    let (place, term) = (number() as usize, Term::new(number()).expect("a term"));
                    let id = Id::new("bench").expect("an id");
                    let renewal = Renewal::new(key(place), id, session(place), term, TTL);
                    let told = storage.call(renewal.into()).await.expect("a renewal");
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{told:?}")))))
                }
            };
            let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service_fn(serve)).await;
        });
    }
}

struct Running {
    child: Child,
    port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_bare(url: &str) -> Running {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .env("LESSOR_BARE", url)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("its port");
    Running { child, port: line.trim().parse().expect("a port") }
}

fn start_serve(url: &str) -> Running {
    let tokens = format!(r#"[{{"token": "{TOKEN}", "role": "admin", "limits": {{"requests": 4000000000}}}}]"#);
    let mut child = Command::new(env::var_os("LESSOR_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_lessor").into()))
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "off"])
        .env("LESSOR_STORAGE", url)
        .env("LESSOR_TOKENS", tokens)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("it is piped")).read_line(&mut line).expect("its port");
    Running { child, port: line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port") }
}

/// Answers a second, to these requests in turn over connections that are kept.
fn rate(port: u16, requests: &[String]) -> f64 {
    let (answered, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for of in 0..CONNECTIONS {
            let (answered, over) = (&answered, &over);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
                stream.set_nodelay(true).expect("a socket");
                let mut buffer = [0; 4096];
                for request in requests.iter().skip(of).step_by(CONNECTIONS).cycle() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    stream.write_all(request.as_bytes()).expect("it is sent");
                    let (mut count, mut told) = (0, String::new());
                    while !told.contains("xtended") {
                        count += stream.read(&mut buffer[count..]).expect("an answer");
                        told = String::from_utf8_lossy(&buffer[..count]).into_owned();
                        assert!(count < buffer.len() && told.starts_with("HTTP/1.1 200"), "{told}");
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        pause(Duration::from_millis(500));
        let before = answered.load(Ordering::Relaxed);
        pause(MEASURED);
        let count = answered.load(Ordering::Relaxed) - before;
        over.store(true, Ordering::Relaxed);
        count as f64 / MEASURED.as_secs_f64()
    })
}

fn pause(time: Duration) {
    lessor_served::pause(time);
}

fn compare(name: &str, url: &str) {
    let terms: Vec<u64> = smol::block_on(async {
        let storage = lessor_any::open(url).await.expect("a storage");
        let mut terms = Vec::new();
        for number in 0..KEYS {
            let claim = Claim::new(key(number), Id::new("bench").expect("an id"), session(number), TTL);
            let told = storage.call(claim.into()).await.expect("a claim");
            match told {
                lessor::storage::Reply::Acquired(lessor::storage::Acquired::Granted { term, .. }) => {
                    terms.push(term.get())
                }
                other => panic!("{other:?}"),
            }
        }
        terms
    });
    let numbered = || terms.iter().enumerate();
    let plain: Vec<_> = numbered()
        .map(|(number, term)| {
            format!("POST /{number}/{term} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}")
        })
        .collect();
    let real: Vec<_> = numbered()
        .map(|(number, term)| {
            let session = format!("{:032x}", session(number).to_bits());
            let body = format!(r#"{{"id":"bench","session":"{session}","ttl_ms":{},"term":{term}}}"#, TTL.as_millis());
            format!(
                "POST /v1/keys/bench%2F{number}/renew HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        })
        .collect();
    let (bare, serve) = (start_bare(url), start_serve(url));
    let mut ratios = Vec::new();
    for _ in 0..RUNS {
        let (of_bare, of_serve) = (rate(bare.port, &plain), rate(serve.port, &real));
        println!("{name}: bare {of_bare:.0}/s, lessor serve {of_serve:.0}/s");
        ratios.push(of_serve / of_bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("{name}: lessor serve / bare: {:.2} ({:.2} to {:.2})", ratios[RUNS / 2], ratios[0], ratios[RUNS - 1]);
}

fn main() {
    if let Ok(url) = env::var("LESSOR_BARE") {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(bare(&url));
    }
    let folder = tempfile::tempdir().expect("a folder");
    compare("sqlite", folder.path().join("leases.db").to_str().expect("a path"));
    let server = lessor_servers::postgres::Server::start();
    compare("postgres", &server.url());
}
