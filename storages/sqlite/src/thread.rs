//! The storage's own thread: no executor's thread ever waits for a lock or a disk.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use futures::channel::oneshot;
use lessor::StorageError;
use lessor_kit::error::AdapterError;

use crate::worker::Worker;

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// The way to the thread that has the connection. The thread ends when this is dropped and the jobs are done.
pub(crate) struct Thread(Sender<Job>);

impl Thread {
    /// Everything that may touch the disk happens on the thread, the first connection too.
    pub(crate) async fn start(
        connect: impl FnOnce() -> Result<Worker, StorageError> + Send + 'static,
    ) -> Result<Self, StorageError> {
        let (jobs, queue) = channel::<Job>();
        let (connected, answer) = oneshot::channel();
        let work = move || match connect() {
            Ok(mut worker) => {
                if connected.send(Ok(())).is_ok() {
                    queue.into_iter().for_each(|job| job(&mut worker));
                }
            }
            Err(error) => drop(connected.send(Err(error))),
        };
        thread::Builder::new().name("lessor-sqlite".into()).spawn(work).map_err(StorageError::transient)?;
        answer.await.unwrap_or_else(|_| Err(AdapterError::Ended.into()))?;
        Ok(Self(jobs))
    }

    /// Runs it on the thread, unless whoever wants to know has gone before its turn comes.
    pub(crate) async fn run<A: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker) -> A + Send + 'static,
    ) -> Result<A, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.run_later(move |worker| {
            if !reply.is_canceled() {
                let _ = reply.send(job(worker));
            }
        });
        answer.await.map_err(|_| AdapterError::Ended.into())
    }

    /// Runs it on the thread when its turn comes: never, if the thread has ended.
    pub(crate) fn run_later(&self, job: impl FnOnce(&mut Worker) + Send + 'static) {
        let _ = self.0.send(Box::new(job));
    }
}
