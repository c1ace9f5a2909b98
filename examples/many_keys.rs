//! Two hundred shards that processes divide among themselves.
//!
//! `cargo run --example many_keys -- 1`, and in other terminals `.. -- 2`, `.. -- 3`, as many as you like: the argument is the
//! name of the process. They share `leases.db` in the current folder, or what the URL in `LESSOR_STORAGE` names (see
//! `lessor_any::open`; an engine other than SQLite needs its feature: `--features postgres`, say). Each prints how many shards
//! it leads: start others, stop one with Ctrl-C, kill one, start it again, and watch the shards move.

use std::env;
use std::error::Error;

use async_signal::{Signal, Signals};
use lessor::{Builder, Group, Leadership, Spread, Then};
use smol::stream::StreamExt;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };
const SHARDS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("the argument is a name for the process, another one in each")?;
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        let url = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
        // One handle for all: they share its connections.
        let storage = lessor_any::open(&url).await?;
        let spread = Spread::new("shards").moves_per_minute(600);
        let (group, driver) = Group::builder().id(format!("process {name}")).spread(spread).build(storage)?;
        let driver = smol::spawn(driver.run_until(async move { end.next().await }));
        for shard in 0..SHARDS {
            let candidate = group.add(Builder::new(format!("shard/{shard}")))?;
            // Dropped when another leads the shard, and begun again when this process does.
            smol::spawn(async move { candidate.lead(work).await }).detach();
        }
        smol::spawn(tell(group)).detach();
        driver.await;
        println!("process {name} has handed all over");
        Ok(())
    })
}

async fn work(leadership: Leadership) -> Then {
    loop {
        smol::Timer::after(std::time::Duration::from_secs(1)).await;
        let _what_the_shard_needs = (leadership.key(), leadership.term());
    }
}

/// Says how many shards are led here, whenever that has changed.
async fn tell(group: Group) {
    let (mut events, mut told) = (group.events(), None);
    while events.next().await.is_some() {
        let processes: Vec<_> = group.processes().iter().map(ToString::to_string).collect();
        let leads = group.candidates().iter().filter(|candidate| candidate.is_leader()).count();
        if told.replace(leads) != Some(leads) {
            println!("leads {leads} of {SHARDS} shards, with {}", processes.join(", "));
        }
    }
}
