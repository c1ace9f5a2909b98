//! One of any number of processes that elect a leader in a MySQL or MariaDB database, and write only what the newest
//! term may.
//!
//! `DATABASE_URL=mysql://user:password@localhost/database cargo run --features mysql --example mysql`
//!
//! Run it in two terminals and end the one that leads with Ctrl-C: the other leads at once.

use std::env;
use std::error::Error;
use std::time::Duration;

use async_signal::{Signal, Signals};
use lessor::{Builder, Leadership, Storage};
use lessor_mysql::sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use lessor_mysql::{MySqlStorage, NotAdmitted, admit, sqlx};
use smol::stream::StreamExt;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL: mysql://user:password@localhost/database")?;
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        // For the work. The storage connects as it does, on connections of its own.
        let pool = MySqlPoolOptions::new().max_connections(4).connect(&url).await?;
        let storage = MySqlStorage::new(&pool);
        storage.migrate().await?;
        storage.migrate_fences().await?;
        storage.check().await?;

        let (candidate, driver) = Builder::new("example").build(storage)?;
        let driver = smol::spawn(driver.run_until(async move { end.next().await }));
        println!("follows until it leads");
        let lead = candidate.lead(async |leadership| {
            println!("leads in term {}", leadership.term());
            // Hands over if the work fails; another one may succeed.
            work(&pool, &leadership).await.inspect_err(|error| println!("the work failed: {error}")).into()
        });
        lead.await?;
        println!("does not lead any more");
        driver.await;
        Ok(())
    })
}

/// Goes on until its term ends, or the database says that it has.
async fn work(pool: &MySqlPool, leadership: &Leadership) -> Result<(), Box<dyn Error>> {
    loop {
        write(pool, leadership).await?;
        smol::Timer::after(Duration::from_secs(1)).await;
    }
}

/// One transaction: first the fence, then whatever is to be written.
async fn write(pool: &MySqlPool, leadership: &Leadership) -> Result<(), Box<dyn Error>> {
    let mut transaction = pool.begin().await?;
    match admit(&mut transaction, "example", leadership.term()).await {
        Err(NotAdmitted::Stale(stale)) => return Err(format!("somebody else leads: {stale}").into()),
        admitted => admitted?,
    }
    let (at,): (String,) = sqlx::query_as("SELECT CAST(UTC_TIMESTAMP() AS CHAR)").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    println!("wrote in term {} at {at}", leadership.term());
    Ok(())
}
