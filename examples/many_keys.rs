//! Two hundred elections in each process, over one storage handle: shards that three processes divide among them.
//!
//! `cargo run --example many_keys -- 1`, and in other terminals `.. -- 2` and `.. -- 3`. They share `leases.db` in the
//! current folder, or what the URL in `LESSOR_STORAGE` names (see `lessor_any::open`; an engine other than SQLite needs
//! its feature: `--features postgres`, say). Each prints how many shards it leads: start the others, stop one with
//! Ctrl-C, kill one, start it again, and watch the shards move.
//!
//! Each process leads a key of its own, its seat, for which nobody else campaigns, and observes the seats of the
//! others: so it knows which processes are there. From that each computes which shards are its own, and campaigns for
//! those alone. Where two disagree for a moment, since one saw a change sooner, the lease of the shard decides: two
//! never lead it.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use lessor::{Builder, Candidate, Observer, Storage};
use smol::future::or;
use smol::stream::StreamExt;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };
const SHARDS: u32 = 200;
const SEATS: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let seat = env::args().nth(1).and_then(|seat| seat.parse().ok()).filter(|seat| (1..=SEATS).contains(seat));
    let seat: u32 = seat.ok_or_else(|| format!("the argument is the seat of the process, 1 to {SEATS}"))?;
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        let url = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
        // One handle for all: one connection or pool, one subscription.
        let storage = lessor_any::open(&url).await?;
        let (own_seat, driver) =
            Builder::new(format!("seat/{seat}")).id(format!("process {seat}")).build(storage.clone())?;
        smol::spawn(driver.run()).detach();
        let mut others = BTreeMap::new();
        for other in (1..=SEATS).filter(|other| *other != seat) {
            let (observer, driver) = Builder::new(format!("seat/{other}")).observe(storage.clone())?;
            smol::spawn(driver.run()).detach();
            others.insert(other, observer);
        }
        let mut node = Node { seat, others, storage, shards: BTreeMap::new() };
        or(async { _ = end.next().await }, async { node.run().await.unwrap_or_else(|error| println!("{error}")) })
            .await;
        let ends = node.shards.values().map(Candidate::shutdown);
        futures::future::join_all(ends).await;
        // Now the others learn that it is gone, and campaign for its shards.
        own_seat.shutdown().await?;
        println!("released {} shards", node.shards.len());
        Ok(())
    })
}

struct Node {
    seat: u32,
    others: BTreeMap<u32, Observer>,
    storage: Arc<dyn Storage>,
    /// Those it campaigns for.
    shards: BTreeMap<u32, Candidate>,
}

impl Node {
    async fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut told = None;
        loop {
            // Before the others were looked for nothing is its own.
            let known = self.others.values().all(|observer| observer.status().last_success.is_some());
            for shard in (0..SHARDS).filter(|_| known) {
                match (self.is_own(shard), self.shards.contains_key(&shard)) {
                    (true, false) => drop(self.shards.insert(shard, self.campaign(shard)?)),
                    (false, true) => self.hand_over(shard),
                    _ => {}
                }
            }
            let leads = self.shards.values().filter(|candidate| candidate.is_leader()).count();
            if told.replace(leads) != Some(leads) {
                println!("process {} leads {leads} of {SHARDS} shards", self.seat);
            }
            let change = self.others.values_mut().map(|observer| Box::pin(observer.leader_changed()));
            let pause = async { _ = smol::Timer::after(Duration::from_millis(500)).await };
            or(async { drop(futures::future::select_all(change).await) }, pause).await;
        }
    }

    /// Of the processes that are there each gets about the same number of shards, and one that comes or goes moves no
    /// others ("rendezvous hashing").
    fn is_own(&self, shard: u32) -> bool {
        let weight = |seat: u32| {
            let mut hasher = DefaultHasher::new();
            (seat, shard).hash(&mut hasher);
            hasher.finish()
        };
        let there = self.others.iter().filter(|(_, observer)| observer.leader().is_some());
        there.map(|(other, _)| weight(*other)).all(|other| other < weight(self.seat))
    }

    fn campaign(&self, shard: u32) -> Result<Candidate, Box<dyn Error>> {
        let election = Builder::new(format!("shard/{shard}")).id(format!("process {}", self.seat));
        let (candidate, driver) = election.build(self.storage.clone())?;
        smol::spawn(driver.run()).detach();
        smol::spawn(work(shard, candidate.clone())).detach();
        Ok(candidate)
    }

    /// Ends the term and releases the shard: its new owner is woken.
    fn hand_over(&mut self, shard: u32) {
        if let Some(candidate) = self.shards.remove(&shard) {
            smol::spawn(async move { candidate.shutdown().await }).detach();
        }
    }
}

async fn work(shard: u32, candidate: Candidate) {
    while let Ok(leadership) = candidate.elected().await {
        let term = leadership.term();
        let work = async {
            loop {
                smol::Timer::after(Duration::from_secs(1)).await;
                let _what_the_shard_needs = (shard, term);
            }
        };
        // Dropped when the term ends; there may be another one.
        let _: Result<(), _> = leadership.run(work).await;
    }
}
