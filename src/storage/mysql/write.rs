//! How rows are written: alone, together, and where others hold their locks.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::pin::pin;
use core::time::Duration;

use async_io::Timer;
use futures::FutureExt;
use futures::future::{Either, select};
use sqlx::Error;

use super::Shared;
use super::error::{is_duplicate, is_locked};
use super::session::Done;
use super::statement::Statement;
use crate::lease::Key;
use crate::storage::StorageError;

/// The most keys of one text.
pub(super) const MOST: usize = 256;

/// About how long it may get: every server takes a packet of 1 MiB.
const LONGEST: usize = 1 << 19;

/// Between two looks at a lock that another holds.
const PAUSE: Duration = Duration::from_millis(4);

/// A statement that writes the row of a key, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Write<'k> {
    pub(super) key: &'k Key,
    pub(super) statement: Statement,
}

/// What became of one.
pub(super) type Written = Result<Done, StorageError>;

impl Shared {
    /// In the order of the writes. Keys occur once.
    pub(super) async fn write(&self, writes: &[Write<'_>], patience: Duration) -> Vec<Written> {
        if let [write] = writes
            && !self.locked.lock().contains(write.key)
        {
            return [self.write_alone(write, patience).await].into();
        }
        self.write_together(writes, patience).await
    }

    /// One statement, one round trip. Whoever waits in vain leaves at most one such statement for a key behind on the
    /// server: the next one for this key asks for the lock first.
    async fn write_alone(&self, write: &Write<'_>, patience: Duration) -> Written {
        let done = self.run(write, patience).await.ok_or_else(|| StorageError::timed_out(patience))?;
        done.map_err(|error| self.explain(error))
    }

    /// In transactions of many statements, none of which waits. One that meets a lock is taken apart, until the locked
    /// rows are alone.
    async fn write_together(&self, writes: &[Write<'_>], patience: Duration) -> Vec<Written> {
        let mut written: Vec<Option<Written>> = writes.iter().map(|_| None).collect();
        let mut open: VecDeque<_> = split(writes).collect();
        let mut patience = Timer::after(patience);
        let mut patient = true;
        while let Some((start, some)) = open.pop_front() {
            let results: Vec<Written> = match self.run_together(true, some).await {
                Ok(done) => done.into_iter().map(Ok).collect(),
                Err(error) if is_locked(&error) && some.len() > 1 => {
                    let (left, right) = some.split_at(some.len() / 2);
                    open.push_back((start, left));
                    open.push_back((start + left.len(), right));
                    continue;
                }
                Err(error) if is_locked(&error) && patient => {
                    patient = (&mut patience).now_or_never().is_none();
                    open.push_back((start, some));
                    Timer::after(PAUSE).await;
                    continue;
                }
                Err(error) => {
                    let error = self.explain(error);
                    some.iter().map(|_| Err(error.clone())).collect()
                }
            };
            for ((place, write), result) in written.iter_mut().skip(start).zip(some).zip(results) {
                if result.is_ok() {
                    self.locked.lock().remove(write.key);
                }
                *place = Some(result);
            }
        }
        let unanswered = || Err(StorageError::transient("the server's answer does not fit the statements"));
        written.into_iter().map(|written| written.unwrap_or_else(unanswered)).collect()
    }

    /// First records of keys that had none: all at once, and if another was faster with one of them, one by one. `None`:
    /// there is one now.
    pub(super) async fn create(&self, writes: &[Write<'_>], patience: Duration) -> Vec<Option<Written>> {
        let mut created = Vec::with_capacity(writes.len());
        for (_, some) in split(writes) {
            if some.len() > 1 {
                match select(pin!(self.run_together(false, some)), Timer::after(patience)).await {
                    Either::Left((Ok(done), _)) => {
                        created.extend(done.into_iter().map(|done| Some(Ok(done))));
                        continue;
                    }
                    Either::Left((Err(error), _)) if !is_duplicate(&error) && !is_locked(&error) => {
                        let error = self.explain(error);
                        created.extend(some.iter().map(|_| Some(Err(error.clone()))));
                        continue;
                    }
                    Either::Left(_) | Either::Right(_) => {}
                }
            }
            for write in some {
                created.push(self.create_alone(write, patience).await);
            }
        }
        created
    }

    async fn create_alone(&self, write: &Write<'_>, patience: Duration) -> Option<Written> {
        let done = if self.locked.lock().contains(write.key) {
            let done = self.run_together(true, core::slice::from_ref(write)).await;
            done.and_then(|done| done.first().copied().ok_or(Error::RowNotFound))
        } else {
            match self.run(write, patience).await {
                None => return Some(Err(StorageError::timed_out(patience))),
                Some(done) => done,
            }
        };
        match done {
            Err(error) if is_duplicate(&error) => None,
            done => Some(done.map_err(|error| self.explain(error))),
        }
    }
}

/// Parts that fit into one text each, and where they begin.
fn split<'w, 'k>(writes: &'w [Write<'k>]) -> impl Iterator<Item = (usize, &'w [Write<'k>])> {
    let mut start = 0;
    core::iter::from_fn(move || {
        let rest = writes.get(start..).filter(|rest| !rest.is_empty())?;
        let mut size = 0;
        let fitting = rest.iter().take(MOST).take_while(|write| {
            size += write.statement.size();
            size <= LONGEST
        });
        let part = rest.get(..fitting.count().max(1))?;
        let began = start;
        start += part.len();
        Some((began, part))
    })
}
