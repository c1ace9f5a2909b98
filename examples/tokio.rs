//! A service on tokio: work that runs only while this process leads, and a graceful end at Ctrl-C (or after two
//! seconds).
//!
//! `cargo run --features tokio --example tokio`

use std::error::Error;
use std::time::Duration;

use lessor::{Builder, Leadership, MemoryStorage, Then};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In memory it stands alone. Where processes share a storage, all but one of them wait in `lead`.
    let (candidate, driver) = Builder::new("nightly-report").id("node-a").build(MemoryStorage::new())?;
    let driver = tokio::spawn(driver.run_until(stop()));
    // Begins the work in each term of this process, until the candidate has stopped.
    let worker = tokio::spawn(async move { candidate.lead(work).await });
    // Ends the term, which drops the work, releases the lease, returns. Should the work panic, it is the same.
    driver.await?;
    worker.await??;
    println!("the candidate has stopped, and the work was dropped where it waited");
    println!("the lease is released: another process leads at once");
    Ok(())
}

async fn stop() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => println!("Ctrl-C"),
        () = sleep(Duration::from_secs(2)) => println!("the demonstration is over (Ctrl-C does the same)"),
    }
}

async fn work(leadership: Leadership) -> Then {
    let term = leadership.term();
    println!("elected in term {term}");
    for report in 1..1_000 {
        println!("report {report}, written in term {term}");
        sleep(Duration::from_millis(500)).await;
    }
    // Work that ends says what comes then.
    Then::Resign
}
