//! A semaphore among processes: of five workers two import at once, each in a slot of its own, and whatever they write is
//! fenced by slot. Here they are tasks of one process over a storage in memory; with another storage they are processes.
//!
//! `cargo run --example slots`

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::try_join_all;
use lessor::{Builder, Candidate, Fence, MemoryStorage};

const SLOTS: u16 = 2;

/// What the workers write to: it keeps the newest term of each slot. One fence for all would refuse a leader whose slot
/// was led less often.
#[derive(Default)]
struct Warehouse {
    fences: [Fence; SLOTS as usize],
    importing: AtomicUsize,
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let (storage, warehouse) = (MemoryStorage::new(), Arc::new(Warehouse::default()));
        let mut workers = Vec::new();
        for number in 1..=5 {
            let builder = Builder::new("import").id(format!("worker {number}")).slots(SLOTS);
            let (candidate, driver) = builder.build(storage.clone())?;
            smol::spawn(driver.run()).detach();
            workers.push(import(candidate, warehouse.clone()));
        }
        try_join_all(workers).await?;
        Ok(())
    })
}

/// Waits for a slot, imports, and makes room for the next one.
async fn import(candidate: Candidate, warehouse: Arc<Warehouse>) -> Result<(), Box<dyn Error>> {
    let leadership = candidate.elected().await?;
    let (slot, term) = (leadership.slot().unwrap_or_default(), leadership.term());
    let import = async {
        let at_once = warehouse.importing.fetch_add(1, Ordering::SeqCst) + 1;
        let fence = warehouse.fences.get(usize::from(slot)).ok_or("no such slot")?;
        fence.admit_with(term, || {
            println!("{} imports in slot {slot}, term {term}, {at_once} at once", candidate.id())
        })?;
        smol::Timer::after(std::time::Duration::from_millis(50)).await;
        warehouse.importing.fetch_sub(1, Ordering::SeqCst);
        Ok::<(), Box<dyn Error>>(())
    };
    leadership.run(import).await??;
    candidate.shutdown().await?;
    Ok(())
}
