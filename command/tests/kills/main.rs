//! `lessor run` while everything around it is killed and stopped: this process, its leash, its command, the server. Never two commands
//! at a time, and nothing is left at the end.
//!
//! A few rounds by default; `LESSOR_KILL_ROUNDS=300 cargo test -p lessor-cli --test kills` has 300, a quarter on each storage. Each round ends
//! when a command has begun anew.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contenders::{Contenders, begins_anew};
use fault::Fault;
use lessor_redis::RedisStorage;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::{postgres, redis};
use process::{Files, end_of, within};
use rustix::process::Signal;

mod contenders;
mod fault;
mod ledger;
#[allow(dead_code)]
#[path = "../run/process.rs"]
mod process;
#[cfg(all(feature = "http", feature = "serve"))]
mod service;

/// By default each storage has each fault once, or nearly.
const ROUNDS: usize = 40;

fn rounds() -> usize {
    let asked = std::env::var("LESSOR_KILL_ROUNDS").ok().map(|rounds| rounds.parse().unwrap());
    asked.unwrap_or(ROUNDS) / 4
}

/// What can be done to a server.
struct Server {
    crash: Box<dyn Fn()>,
    pause: Box<dyn Fn()>,
    resume: Box<dyn Fn()>,
}

/// On a storage, which may have a server.
async fn survive(name: &str, url: &str, server: Option<&Server>, faults: &[Fault]) {
    let files = Files::new();
    let url = if url.is_empty() { files.path("leases.db") } else { url.to_owned() };
    let mut contenders = Contenders::start(files, &url);
    let mut counts = vec![0; faults.len()];
    for round in 0..rounds() {
        let running = contenders.running().await;
        // At any time of its reign, before and after renewals.
        smol::Timer::after(core::time::Duration::from_millis(u64::try_from(round * 379 % 1500).unwrap())).await;
        let index = round % faults.len();
        faults[index].strike(&mut contenders, &running, server).await;
        begins_anew(&mut contenders, &running).await;
        counts[index] += 1;
    }
    let begun = contenders.end().await;
    eprintln!(
        "{name}: {begun} commands began, never two at a time; {:?}",
        faults.iter().zip(counts).collect::<Vec<_>>()
    );
}

#[test]
fn on_sqlite() {
    smol::block_on(survive("SQLite", "", None, &Fault::OF_PROCESSES));
}

#[test]
fn on_postgres() {
    smol::block_on(async {
        let server = Arc::new(postgres::Server::start());
        let [crash, pause, resume] = [(); 3].map(|()| server.clone());
        let what = Server {
            crash: Box::new(move || crash.crash()),
            pause: Box::new(move || pause.pause()),
            resume: Box::new(move || resume.resume()),
        };
        survive("PostgreSQL", &server.url(), Some(&what), &Fault::ALL).await;
    });
}

#[test]
fn on_redis() {
    smol::block_on(async {
        let server = Arc::new(redis::Server::start(redis::Keeps::Everything));
        RedisStorage::new(server.client()).initialise().await.unwrap();
        let [crash, pause, resume] = [(); 3].map(|()| server.clone());
        let crashed = AtomicBool::new(false);
        let what = Server {
            // Once: after each crash nothing is granted for a minute.
            crash: Box::new(move || {
                if !crashed.swap(true, Ordering::SeqCst) {
                    crash.crash();
                }
            }),
            pause: Box::new(move || pause.pause()),
            resume: Box::new(move || resume.resume()),
        };
        let faults = if rounds() > Fault::ALL.len() { &Fault::ALL[..] } else { &Fault::WITHOUT_CRASH[..] };
        survive("Redis", &server.url(), Some(&what), faults).await;
    });
}

/// Over `lessor serve`.
#[cfg(all(feature = "http", feature = "serve"))]
#[test]
fn on_a_service() {
    smol::block_on(async {
        let server = Arc::new(service::Service::start().await);
        let [crash, pause, resume] = [(); 3].map(|()| server.clone());
        let what = Server {
            crash: Box::new(move || crash.crash()),
            pause: Box::new(move || pause.signal(Signal::STOP)),
            resume: Box::new(move || resume.signal(Signal::CONT)),
        };
        survive("a lease service", &server.url(), Some(&what), &Fault::ALL).await;
    });
}

/// The network falls silent, so that nothing is refused and nothing answered, and comes back.
#[test]
fn a_silent_network() {
    smol::block_on(async {
        let server = postgres::Server::start();
        let proxy = Proxy::to(server.options().get_port());
        let url = server.url().replace(&format!(":{}", server.options().get_port()), &format!(":{}", proxy.port()));
        let mut contenders = Contenders::start(Files::new(), &url);
        for mode in [Mode::DropRequests, Mode::DropReplies] {
            let running = contenders.running().await;
            proxy.set(mode);
            within(end_of(running.command)).await;
            proxy.set(Mode::Pass);
            begins_anew(&mut contenders, &running).await;
        }
        contenders.end().await;
    });
}
