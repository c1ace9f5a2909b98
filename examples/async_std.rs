//! A leader crashes, on async-std: its driver is gone, its reign ends with it, and the follower takes over when the
//! lease runs out.
//!
//! `cargo run --features async-std --example async_std`

use std::error::Error;
use std::time::Duration;

use async_std::task;
use lessor::{Builder, MemoryStorage};

fn main() -> Result<(), Box<dyn Error>> {
    task::block_on(async {
        let storage = MemoryStorage::new();
        // Short, so that there is little to wait for. The default is 10 s.
        let election = Builder::new("nightly-report").ttl(Duration::from_secs(1));

        let (first, driver) = election.clone().id("first").build(storage.clone())?;
        let first_driver = task::spawn(driver.run());
        let leadership = first.elected().await?;
        println!("first leads in term {}", leadership.term());

        let (second, driver) = election.id("second").build(storage)?;
        let second_driver = task::spawn(driver.run());

        // A crash: nothing is released, nobody is told.
        first_driver.cancel().await;
        println!("first crashed: {}", leadership.lost().await);

        let leadership = second.elected().await?;
        println!("second leads in term {}: the lease of first ran out", leadership.term());
        second.shutdown().await?;
        second_driver.await;
        Ok(())
    })
}
