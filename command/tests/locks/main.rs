//! `lessor run` beside `flock` and `etcdctl lock`: what each does when it is killed, stopped or cut off. It prints the table that the
//! README has: `cargo test -p lessor-cli --test locks -- --nocapture`.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use core::time::Duration;
use std::path::Path;

use lessor_redis::RedisStorage;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::{etcd, redis};
use process::{Files, LESSOR, Running, has_ended, within};
use rustix::process::{Signal, kill_process};
use smol::future::or;
use smol::process::{Command, Stdio};

#[allow(dead_code)]
#[path = "../run/process.rs"]
mod process;

/// Long enough for a lease of 3 s to end, and for whoever waits to see that.
const SOON: Duration = Duration::from_secs(15);

/// A way to run a command under a lock.
struct Tool {
    name: &'static str,
    /// Through the proxy, if there is one.
    first: Vec<String>,
    /// From elsewhere: not through it.
    second: Vec<String>,
    proxy: Option<Proxy>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Killed,
    Stopped,
    Silence,
}

/// What became of the first command, and whether a second began; both at a time, if it came to that.
#[derive(Debug, PartialEq)]
struct Seen {
    first_ended: bool,
    second_began: bool,
}

const ALONE: Seen = Seen { first_ended: true, second_began: true };
const BOTH_AT_A_TIME: Seen = Seen { first_ended: false, second_began: true };
const NOBODY_ELSE: Seen = Seen { first_ended: false, second_began: false };

fn run(tool: &[String], folder: &Path, script: &str) -> Running {
    let mut command = Command::new(&tool[0]);
    command.args(&tool[1..]).args(["sh", "-c", script]).current_dir(folder).env("ETCDCTL_API", "3");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    Running::of(command.spawn().unwrap())
}

async fn seen(tool: &Tool, fault: Fault) -> Seen {
    let files = Files::new();
    let folder = files.folder.path();
    let mut first = run(&tool.first, folder, "echo $$; while :; do sleep 0.05; done");
    let command = first.process().await;
    match fault {
        Fault::Killed => first.signal(Signal::KILL),
        Fault::Stopped => first.signal(Signal::STOP),
        Fault::Silence => tool.proxy.as_ref().unwrap().set(Mode::DropRequests),
    }
    let mut second = run(&tool.second, folder, "echo $$; while :; do sleep 0.05; done");
    let began = or(async { Some(second.process().await) }, async {
        smol::Timer::after(SOON).await;
        None
    });
    let began = began.await;
    let seen = Seen { first_ended: has_ended(command), second_began: began.is_some() };
    for process in [Some(command), began].into_iter().flatten() {
        let _ = kill_process(process, Signal::KILL);
    }
    let _ = first.child.kill();
    let _ = second.child.kill();
    for run in [&mut first, &mut second] {
        within(run.child.status()).await.unwrap();
    }
    if let Some(proxy) = &tool.proxy {
        proxy.set(Mode::Pass);
        proxy.reset_open();
    }
    seen
}

async fn code(tool: &[String], script: &str) -> Option<i32> {
    let files = Files::new();
    run(tool, files.folder.path(), script).code().await
}

/// A server that is 100 ms away, there and back 200 ms: a command that runs for longer than the lease.
async fn slowly(tool: &Tool) -> Option<i32> {
    let proxy = tool.proxy.as_ref()?;
    proxy.set(Mode::Delay(Duration::from_millis(100)));
    let code = code(&tool.first, "sleep 5").await;
    proxy.set(Mode::Pass);
    code
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

fn flock() -> Tool {
    let arguments = words(&["flock", "lock"]);
    Tool { name: "flock", first: arguments.clone(), second: arguments, proxy: None }
}

fn etcdctl(server: &etcd::Server) -> Tool {
    let port = server.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::to(port);
    let through = |port: u16| {
        let endpoint = format!("--endpoints=http://127.0.0.1:{port}");
        words(&["etcdctl", &endpoint, "lock", "--ttl=3", "nightly", "--"])
    };
    Tool { name: "etcdctl lock", first: through(proxy.port()), second: through(port), proxy: Some(proxy) }
}

fn lessor(server: &redis::Server) -> Tool {
    let proxy = Proxy::to(server.port());
    let through = |port: u16| {
        let url = server.url().replace(&server.port().to_string(), &port.to_string());
        words(&[LESSOR, "run", "--key", "nightly", "--ttl", "3s", "--log", "off", "--storage", &url, "--"])
    };
    Tool { name: "lessor run", first: through(proxy.port()), second: through(server.port()), proxy: Some(proxy) }
}

#[test]
fn beside_flock_and_etcdctl() {
    smol::block_on(async {
        let (etcd, redis) = (etcd::Server::start(), redis::Server::start(redis::Keeps::Everything));
        RedisStorage::new(redis.client()).initialise().await.unwrap();
        let tools = [flock(), etcdctl(&etcd), lessor(&redis)];
        println!("| | killed | stopped | network silent | codes | slow |");
        for tool in &tools {
            let faults = [Fault::Killed, Fault::Stopped, Fault::Silence];
            let mut row = Vec::new();
            for fault in faults {
                row.push(if fault == Fault::Silence && tool.proxy.is_none() {
                    None
                } else {
                    Some(seen(tool, fault).await)
                });
            }
            let codes = [code(&tool.second, "exit 7").await, code(&tool.second, "kill -9 $$").await];
            let slow = slowly(tool).await;
            println!("| {} | {row:?} | {codes:?} | {slow:?} |", tool.name);
            assert!(slow.is_none_or(|code| code == 0), "{}: {slow:?}", tool.name);
            let expected = match tool.name {
                "lessor run" => ([Some(ALONE), Some(ALONE), Some(ALONE)], [Some(7), Some(137)]),
                "flock" => ([Some(NOBODY_ELSE), Some(NOBODY_ELSE), None], [Some(7), Some(137)]),
                _ => ([Some(BOTH_AT_A_TIME), Some(BOTH_AT_A_TIME), Some(BOTH_AT_A_TIME)], [Some(1), Some(1)]),
            };
            assert_eq!((row.as_slice(), codes), (expected.0.as_slice(), expected.1), "{}", tool.name);
        }
    });
}
