//! How rows are written: alone, together, and where others hold their locks.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use async_io::Timer;
use futures::FutureExt;
use sqlx::Error;

use super::connection::Done;
use super::error::{is_duplicate, is_locked};
use super::statement::Statement;
use super::{LEAST_PATIENCE, Shared};
use crate::lease::Key;
use crate::storage::StorageError;

/// The most keys of one text.
pub(super) const MOST: usize = 256;

/// About how long it may get: every server takes a packet of 1 MiB.
const LONGEST: usize = 1 << 19;

/// After so many first claims of a batch that waited for others the rest are not tried: the answer has to come in time.
const MOST_IN_VAIN: usize = 4;

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
            let results: Vec<Written> = match self.run_together(some).await {
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

    /// First records of keys that had none, each by itself: an insert may have to wait for another's, and must not hold
    /// locks meanwhile. `None`: there is one now.
    pub(super) async fn create(&self, writes: &[Write<'_>], patience: Duration) -> Vec<Option<Written>> {
        let mut created = Vec::with_capacity(writes.len());
        let mut patience = patience;
        let mut in_vain = 0;
        for write in writes {
            if in_vain == MOST_IN_VAIN {
                created.push(Some(Err(StorageError::timed_out(patience))));
                continue;
            }
            let one = self.create_alone(write, patience).await;
            if matches!(&one, Some(Err(_))) && self.locked.lock().contains(write.key) {
                in_vain += 1;
                patience = LEAST_PATIENCE;
            }
            created.push(one);
        }
        created
    }

    async fn create_alone(&self, write: &Write<'_>, patience: Duration) -> Option<Written> {
        let done = if self.locked.lock().contains(write.key) {
            let done = self.run_together(core::slice::from_ref(write)).await;
            done.and_then(|done| done.first().copied().ok_or(Error::RowNotFound))
        } else {
            match self.run(write, patience).await {
                None => return Some(Err(StorageError::timed_out(patience))),
                Some(done) => done,
            }
        };
        match done {
            Err(error) if is_duplicate(&error) => None,
            done => {
                if done.is_ok() {
                    self.locked.lock().remove(write.key);
                }
                Some(done.map_err(|error| self.explain(error)))
            }
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
