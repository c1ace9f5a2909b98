//! One of the processes: a candidate that works while it leads.

use std::io;
use std::thread;
use std::time::Duration;

use lessor::{Builder, Candidate, SystemTimer, Timer};
use smol::Unblock;
use smol::io::{AsyncBufReadExt, BufReader};
use smol::stream::StreamExt;

use crate::Result;
use crate::leases::{self, DATABASE};
use crate::ledger::Ledger;
use crate::note::{Note, Notebook};
use crate::options::{Broken, NodeOptions};

pub(crate) const RESIGN: &str = "resign";

/// How long one piece of work takes between the question whether it may be done and the write of its outcome.
///
/// This gap is in every program, if shorter. No election can close it: whoever freezes in it wakes up with a term that
/// may be over, and writes. Only the fence notices.
const WORK: Duration = Duration::from_millis(5);

/// How often the belief is noted.
const SAMPLE: Duration = Duration::from_millis(1);

pub(crate) fn run(options: NodeOptions) -> Result<()> {
    // The parent closes our standard input when it ends. This is for when we are frozen just then.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;

    let database = options.folder.join(DATABASE);
    let file = Notebook::create(&options.folder, &options.name)?;
    let notebook = Notebook::new(&file);
    let ledger = Ledger::open(&database)?;

    let storage = smol::block_on(leases::open(options.storage.as_deref(), &options.folder))?;
    let (candidate, driver) =
        Builder::new(leases::key(&options.folder)).id(&options.name).ttl(options.ttl).build(storage)?;
    thread::scope(|threads| {
        let (candidate, options) = (&candidate, &options);
        let belief = threads.spawn(|| smol::block_on(to_the_end(candidate, believe(candidate, notebook, options))));
        let work = threads.spawn(|| smol::block_on(to_the_end(candidate, work(candidate, ledger, notebook, options))));

        // When the orders end the candidate stops: it lets the work of its term end and releases the lease.
        smol::block_on(driver.run_until(obey(candidate)));
        belief.join().map_err(|_| "the thread that notes the belief panicked")??;
        work.join().map_err(|_| "the thread that works panicked")?
    })
}

/// Carries out what the parent asks for on our standard input, until it closes it or is gone.
async fn obey(candidate: &Candidate) {
    let mut orders = BufReader::new(Unblock::new(io::stdin())).lines();
    while let Some(Ok(order)) = orders.next().await {
        if order == RESIGN {
            let _ = candidate.resign().await;
        }
    }
}

/// Does one piece of work after the other while this process leads. Ends with the candidate.
async fn work(candidate: &Candidate, mut ledger: Ledger, notebook: Notebook<'_>, options: &NodeOptions) -> Result<()> {
    while let Ok(leadership) = candidate.elected().await {
        // Resigning waits for the guard: it costs no work. Freezing does not.
        let Ok(guard) = leadership.guard() else { continue };
        let Ok(term) = guard.check(WORK) else {
            smol::Timer::after(WORK).await;
            continue;
        };
        let number = i64::from(term);
        notebook.keep(Note::Works { term: number })?;
        smol::Timer::after(WORK).await;
        if ledger.write(&options.name, term, options.broken == Some(Broken::Fence))? {
            notebook.tell(Note::Wrote { term: number })?;
        } else {
            notebook.tell(Note::Refused { term: number })?;
        }
    }
    Ok(())
}

/// Notes all the time whether this process believes that it leads. Ends with the candidate.
///
/// It has a thread of its own, and parks it: when the process is woken this thread has only itself to wait for, and
/// asks before the driver gets to notice how late it is. A belief that hung on the driver would show.
async fn believe(candidate: &Candidate, notebook: Notebook<'_>, options: &NodeOptions) -> Result<()> {
    let clock = SystemTimer::new();
    while let Ok(leadership) = candidate.elected().await {
        let term = i64::from(leadership.term());
        let mut last = None;
        loop {
            // Both readings are needed: the process may be frozen at any point in between (see `check.rs`).
            let before = clock.now().since_origin();
            let (leads, holds) = (candidate.is_leader(), leadership.is_valid());
            let after = clock.now().since_origin();

            match (leads, holds) {
                // As both are true the first answer spoke of this term: a candidate has one reign at a time.
                (true, true) => {
                    let note = Note::Leads { term, before, after };
                    if last.replace(before).is_none() { notebook.tell(note)? } else { notebook.keep(note)? }
                }
                // A flag that is cleared in due time: the mistake of programs that do not ask the clock.
                _ if options.broken == Some(Broken::Belief) && last.is_some_and(|last| before < last + options.ttl) => {
                    notebook.keep(Note::Leads { term, before, after })?;
                }
                (true, false) | (false, true)
                    if candidate.leadership().is_none_or(|present| present.term() == leadership.term()) =>
                {
                    notebook.keep(Note::Half { term, before, after })?;
                }
                _ => {
                    notebook.tell(Note::Over { term, at: after })?;
                    break;
                }
            }
            thread::park_timeout(SAMPLE);
        }
    }
    Ok(())
}

/// Does this as long as the candidate goes on. If it fails, the candidate stops: a leader that does not work is worse
/// than none.
async fn to_the_end(candidate: &Candidate, task: impl Future<Output = Result<()>>) -> Result<()> {
    let outcome = task.await;
    let _ = candidate.shutdown().await;
    outcome
}
