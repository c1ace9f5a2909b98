//! A service on tokio: work that runs only while this process leads, and a graceful end at Ctrl-C (or after two
//! seconds).
//!
//! `cargo run --features tokio --example tokio`

use std::error::Error;
use std::time::Duration;

use lessor::{Builder, Candidate, MemoryStorage};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In memory it stands alone. Where processes share a storage, all but one of them wait in `elected`.
    let (candidate, driver) = Builder::new("nightly-report").id("node-a").build(MemoryStorage::new())?;
    let worker = tokio::spawn(work(candidate));
    // Ends the term, drops the work in `run`, releases the lease, returns.
    tokio::spawn(driver.run_until(stop())).await?;
    worker.await?;
    println!("the lease is released: another process leads at once");
    Ok(())
}

async fn stop() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => println!("Ctrl-C"),
        () = sleep(Duration::from_secs(2)) => println!("the demonstration is over (Ctrl-C does the same)"),
    }
}

async fn work(candidate: Candidate) {
    // Each turn is one reign. Without an election to come, `elected` is an error and the worker ends.
    while let Ok(leadership) = candidate.elected().await {
        let term = leadership.term();
        println!("elected in term {term}");
        let work = async {
            for report in 1.. {
                println!("report {report}, written in term {term}");
                sleep(Duration::from_millis(500)).await;
            }
        };
        // Drops the work where it waits when the term ends.
        if let Err(lost) = leadership.run(work).await {
            println!("the work was dropped: {lost}");
        }
    }
}
