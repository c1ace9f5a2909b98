//! A leader that was paused goes on with a write of its old term, and the database refuses it.
//!
//! `cargo run --example fenced_write`
//!
//! `first` leads and checks that it may write. Then its thread is stopped before the write, as a machine that swaps or
//! a virtual machine that is moved would stop it. Its lease runs out, `second` leads and writes. Then `first` goes on,
//! with a check that was true when it was made. No lease can prevent that; the term that goes along with each write
//! can. The database remembers the newest term it has seen and admits no older one, in the transaction of the write.

use std::error::Error;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use lessor::{Builder, Fence, Term};
use lessor_sqlite::SqliteStorage;
use lessor_sqlite::rusqlite::{self, Connection, TransactionBehavior};
use smol::future::or;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("report.db");
    let database = Connection::open(&file)?;
    database.execute_batch(Fence::CREATE_TABLE)?;
    database.execute_batch("CREATE TABLE report (text TEXT NOT NULL, term INTEGER NOT NULL)")?;

    let (asked, has_asked) = channel();
    let (wake, woken) = channel();
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            reign(&file, "first", || {
                drop(asked);
                pause(woken);
            })
        });
        pause(has_asked);
        let outcome = reign(&file, "second", || {});
        drop(wake);
        outcome?;
        first.join().unwrap_or_else(|_| Err("first panicked".into()))
    })?;
    let mut reports = database.prepare("SELECT text || ', in term ' || term FROM report ORDER BY term")?;
    for report in reports.query_map((), |row| row.get::<_, String>(0))? {
        println!("the database has: {}", report?);
    }
    Ok(())
}

/// Stops the thread until the other end is dropped.
fn pause(end: Receiver<()>) {
    let _ = end.recv();
}

/// Leads once, and writes one report.
fn reign(file: &Path, name: &str, before_the_write: impl FnOnce()) -> Outcome<()> {
    let mut database = Connection::open(file)?;
    block_on(async {
        let storage = SqliteStorage::open(file).await?;
        storage.migrate().await?;
        let (candidate, driver) = Builder::new("report").id(name).ttl(Duration::from_secs(2)).build(storage)?;
        let work = async {
            let leadership = candidate.elected().await?;
            let term = leadership.check(Duration::ZERO)?;
            println!("{name} leads in term {term}, and is about to write");
            before_the_write();
            let written = write(&mut database, term, &format!("the report of {name}"))?;
            println!(
                "{name}, who {}: its write in term {term} is {}",
                if leadership.is_valid() { "still leads" } else { "leads no more" },
                if written { "admitted" } else { "refused" },
            );
            candidate.shutdown().await?;
            Ok(())
        };
        // On one thread: who stops it stops the driver too.
        or(work, async {
            driver.run().await;
            futures::future::pending().await
        })
        .await
    })
}

/// One transaction: first the fence, then whatever is to be written. False: a newer term was there before.
fn write(database: &mut Connection, term: Term, text: &str) -> rusqlite::Result<bool> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if transaction.execute(Fence::ADMIT, ("report", i64::from(term)))? == 0 {
        return Ok(false);
    }
    transaction.execute("INSERT INTO report (text, term) VALUES ($1, $2)", (text, i64::from(term)))?;
    transaction.commit()?;
    Ok(true)
}
