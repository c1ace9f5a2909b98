//! The storage's own thread: no executor's thread ever waits for a lock or a disk.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use futures::channel::oneshot;
use lessor::StorageError;
use lessor::storage::Request;
use lessor_kit::error::AdapterError;

use crate::worker::{Answer, Worker};

/// The most requests that are answered in one transaction, unless they came as one batch.
const MOST_TOGETHER: usize = 1_024;

enum Job {
    /// To be answered, together with others that wait.
    Ask {
        requests: Vec<Request>,
        reply: oneshot::Sender<Vec<Answer>>,
    },
    Run(Box<dyn FnOnce(&mut Worker) + Send>),
}

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
                    work(&mut worker, &queue);
                }
            }
            Err(error) => drop(connected.send(Err(error))),
        };
        thread::Builder::new().name("lessor-sqlite".into()).spawn(work).map_err(StorageError::transient)?;
        answer.await.unwrap_or_else(|_| Err(AdapterError::Ended.into()))?;
        Ok(Self(jobs))
    }

    /// Answers, together with what else waits by then, unless whoever asks has gone before.
    pub(crate) async fn ask(&self, requests: Vec<Request>) -> Result<Vec<Answer>, StorageError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.0.send(Job::Ask { requests, reply });
        answer.await.map_err(|_| AdapterError::Ended.into())
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
        let _ = self.0.send(Job::Run(Box::new(job)));
    }
}

/// Does one job after the other. Requests that wait at the same time are one job: what a commit costs is mostly to wait
/// for the disk, so that ten thousand keys are a few dozen commits.
fn work(worker: &mut Worker, queue: &Receiver<Job>) {
    let mut next = None;
    while let Some(job) = next.take().or_else(|| queue.recv().ok()) {
        match job {
            Job::Run(run) => run(worker),
            Job::Ask { requests, reply } => {
                let mut waiting = Waiting::default();
                waiting.push(worker.patience(&requests), requests, reply);
                next = waiting.gather(worker, queue);
                while let Some(Group { asked, replies, .. }) = waiting.pop() {
                    answer(worker, asked, replies);
                    // What was there before another kind of job goes before it.
                    next = next.or_else(|| waiting.gather(worker, queue));
                }
            }
        }
    }
}

/// What is asked at the same time: together goes what waits for a lock equally long, so that nobody waits for shorter than it
/// has time because of another.
#[derive(Default)]
struct Waiting {
    groups: BTreeMap<Duration, Group>,
    count: usize,
}

#[derive(Default)]
struct Group {
    asked: Vec<Vec<Request>>,
    replies: Vec<oneshot::Sender<Vec<Answer>>>,
    renews: bool,
}

impl Waiting {
    /// Takes what is in the queue, up to a job of another kind, which it returns.
    fn gather(&mut self, worker: &Worker, queue: &Receiver<Job>) -> Option<Job> {
        while self.count < MOST_TOGETHER {
            match queue.try_recv().ok()? {
                Job::Ask { requests, reply } => self.push(worker.patience(&requests), requests, reply),
                other @ Job::Run(_) => return Some(other),
            }
        }
        None
    }

    fn push(&mut self, patience: Duration, requests: Vec<Request>, reply: oneshot::Sender<Vec<Answer>>) {
        self.count += requests.len();
        let group = self.groups.entry(patience).or_default();
        group.renews |= requests.iter().any(|request| matches!(request, Request::Renew(_)));
        group.asked.push(requests);
        group.replies.push(reply);
    }

    /// Those with renewals first, and the least patient.
    fn pop(&mut self) -> Option<Group> {
        let first = self.groups.iter().min_by_key(|(patience, group)| (!group.renews, **patience));
        let patience = *first?.0;
        let group = self.groups.remove(&patience)?;
        self.count -= group.asked.iter().map(Vec::len).sum::<usize>();
        Some(group)
    }
}

fn answer(worker: &mut Worker, asked: Vec<Vec<Request>>, replies: Vec<oneshot::Sender<Vec<Answer>>>) {
    let wanted = asked.into_iter().zip(replies).filter(|(_, reply)| !reply.is_canceled());
    let (asked, replies): (Vec<_>, Vec<_>) = wanted.unzip();
    for (reply, answers) in replies.into_iter().zip(worker.answer(&asked)) {
        let _ = reply.send(answers);
    }
}
