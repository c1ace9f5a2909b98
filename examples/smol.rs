//! Two candidates in one program on smol: one leads, hands over, and the other goes on.
//!
//! `cargo run --example smol`

use std::error::Error;

use lessor::{Builder, MemoryStorage};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let storage = MemoryStorage::new();
        let (first, driver) = Builder::new("nightly-report").id("first").build(storage.clone())?;
        let first_driver = smol::spawn(driver.run());
        let leadership = first.elected().await?;
        println!("first leads in term {}", leadership.term());

        let (second, driver) = Builder::new("nightly-report").id("second").build(storage)?;
        let second_driver = smol::spawn(driver.run());

        let report = leadership.run(async { "the report" }).await?;
        println!("first wrote {report} in term {}", leadership.term());

        // Hands over: the second is woken and leads at once.
        first.shutdown().await?;
        first_driver.await;
        println!("second leads in term {}", second.elected().await?.term());
        second.shutdown().await?;
        second_driver.await;
        Ok(())
    })
}
