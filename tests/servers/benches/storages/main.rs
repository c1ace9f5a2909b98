//! Each storage beside a hand-written loop on the bare driver of the same server: medians of interleaved rounds, as
//! ratios.
//!
//! `tests/run bench` runs it; `cargo bench -p lessor-servers -- postgres` measures one. The servers are started for
//! it, with their defaults for what survives a crash.
#![allow(clippy::disallowed_methods, reason = "what is measured is time")]

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use lessor::storage::{Acquired, Claim, Renewal, Renewed, Session};
use lessor::{Id, Key, Storage, StorageExt, Term};
use smol::block_on;
use tokio::runtime::Runtime;

mod crash;
mod etcd;
mod hand_over;
mod mysql;
mod nats;
mod objects;
mod postgres;
mod redis;
mod rounds;
mod sqlite;

/// Longer than anything that is measured.
const KEEPS: Duration = Duration::from_secs(30);

/// What a record of a register takes.
const RECORD: &str =
    "a record of a storage, with its term, its version, its ttl, when it ends, who holds it and by which session";

/// What the rows of a key look like to a hand-written loop, and what it does with them: one call of the driver each.
trait Bare {
    /// Takes the key: an insert or update on a condition, flushed as the storage's own.
    async fn acquire(&mut self);
    /// Extends what is held: an update on a condition.
    async fn renew(&mut self);
    /// Reads who holds the key.
    async fn look(&mut self);
    /// One lets go and tells the other, who then takes the key. From the first call to the last answer.
    async fn hand_over(&mut self) -> Duration;
}

/// Everything that is measured; the storages have connections of their own, as two processes have them.
async fn all<S: Storage + Clone + 'static>(name: &str, storages: [S; 2], bare: &mut impl Bare) {
    operations(name, &storages[0], bare).await;
    crash::measure(name, &storages[0]).await;
    hand_over::measure(name, storages, bare).await;
}

/// As if within the runtime, which the connection's tasks run on.
async fn within<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = runtime.enter();
        future.as_mut().poll(cx)
    })
    .await
}

fn claim(key: &str, session: u128) -> Claim {
    let (key, id) = (Key::new(key).expect("a key"), Id::new("candidate").expect("an id"));
    Claim::new(key, id, Session::from_bits(session), KEEPS)
}

/// A round trip of each kind: `[acquire, renew, refused acquire]`, ours and bare.
async fn operations(name: &str, storage: &impl Storage, bare: &mut impl Bare) {
    let mut mine = claim("k", 1);
    let other = claim("k", 2);
    let Ok(Acquired::Granted { term, .. }) = storage.acquire(mine.clone()).await else {
        panic!("nobody else is there")
    };
    mine.after = Some(term);
    bare.acquire().await;
    let mut measured = rounds::Rounds::new(["acquire", "renew", "refused acquire"]);
    while measured.go_on() {
        measured.time(0, async || bare.acquire().await).await;
        measured
            .time(1, async || match storage.acquire(mine.clone()).await {
                Ok(Acquired::Granted { term, .. }) => mine.after = Some(term),
                other => panic!("{other:?}"),
            })
            .await;
        measured.time(2, async || bare.renew().await).await;
        let term = mine.after.unwrap_or(Term::FIRST);
        let renewal = Renewal::new(mine.key.clone(), mine.id.clone(), mine.session, term, KEEPS);
        measured
            .time(3, async || match storage.renew(renewal.clone()).await {
                Ok(Renewed::Extended { .. }) => {}
                other => panic!("{other:?}"),
            })
            .await;
        measured.time(4, async || bare.look().await).await;
        measured
            .time(5, async || match storage.acquire(other.clone()).await {
                Ok(Acquired::Refused { lease: Some(_), .. }) => {}
                other => panic!("{other:?}"),
            })
            .await;
    }
    measured.print(name);
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it is there.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let chosen = |name: &str| {
        let mut names = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        names.peek().is_none() || names.any(|chosen| chosen == name)
    };
    println!("| storage | operation | bare driver | lessor | ratio |\n|---|---|---:|---:|---:|");
    if chosen("sqlite") {
        block_on(sqlite::measure());
    }
    if chosen("postgres") {
        block_on(postgres::measure());
    }
    if chosen("mysql") {
        block_on(mysql::measure());
    }
    if chosen("redis") {
        block_on(redis::measure());
    }
    if chosen("etcd") {
        block_on(etcd::measure());
    }
    if chosen("nats") {
        block_on(nats::measure());
    }
    if chosen("objects") {
        block_on(objects::measure());
    }
}
