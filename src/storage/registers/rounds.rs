//! Requests in rounds: what has to be read is read together, what is to be swapped is swapped together.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use futures::future::join;

use super::seen::Sight;
use super::step::{self, Change, Next, Source};
use super::store::Inner;
use super::{Registers, Stored, Swap, error};
use crate::storage::{ErrorKind, Reply, Request, StorageError};
use crate::text::Key;
use crate::time::{Instant, Timer};

/// How often a request reads again because its register has moved meanwhile. Each time somebody else's write got through: it takes a
/// crowd to lose so often.
const TRIES: u32 = 16;

/// A request, and the place of its answer.
#[derive(Clone, Copy)]
struct Asked<'a> {
    place: usize,
    request: &'a Request,
    key: &'a Key,
    /// How often its register has moved before its swap.
    moved: u32,
}

/// What is answered, and what is not yet.
struct Line<'a, R> {
    answers: Vec<(usize, Result<Reply, StorageError>)>,
    reads: Vec<Asked<'a>>,
    swaps: Vec<(Asked<'a>, Box<Change<R>>)>,
}

impl<'a, R> Line<'a, R> {
    fn put(&mut self, asked: Asked<'a>, next: Result<Next<R>, StorageError>) {
        match next {
            Ok(Next::Read) => self.reads.push(asked),
            Ok(Next::Swap(change)) => self.swaps.push((asked, change)),
            Ok(Next::Answer(reply)) => self.answers.push((asked.place, Ok(reply))),
            Err(error) => self.answers.push((asked.place, Err(error))),
        }
    }
}

impl<R: Registers> Inner<R> {
    /// Answers requests about different keys, each with its place, in any order.
    pub(super) async fn answer(&self, requests: Vec<(usize, &Request)>) -> Vec<(usize, Result<Reply, StorageError>)> {
        let mut line = Line { answers: Vec::with_capacity(requests.len()), reads: Vec::new(), swaps: Vec::new() };
        for (place, request) in requests {
            match request.key() {
                Some(key) => line.put(Asked { place, request, key, moved: 0 }, Ok(self.by_what_is_known(request, key))),
                None => line.answers.push((place, Err(StorageError::unsupported(request)))),
            }
        }
        while !(line.reads.is_empty() && line.swaps.is_empty()) {
            let (reads, swaps) = (core::mem::take(&mut line.reads), core::mem::take(&mut line.swaps));
            let sent = self.timer.now();
            let (read, swapped) = join(self.read_all(&reads), self.swap_all(&swaps)).await;
            for (asked, answer) in reads.into_iter().zip(read) {
                line.put(asked, self.by_what_was_read(asked, answer, sent));
            }
            for ((mut asked, change), answer) in swaps.into_iter().zip(swapped) {
                let mut next = self.by_what_was_swapped(asked, *change, answer, sent);
                asked.moved += u32::from(matches!(next, Ok(Next::Read)));
                if asked.moved >= TRIES {
                    next = Err(error::contended(self.registers.name(), asked.key, asked.moved));
                }
                line.put(asked, next);
            }
        }
        line.answers
    }

    fn next(&self, request: &Request, sight: Option<&Sight<R::Revision>>, source: Source) -> Next<R::Revision> {
        step::next(request, sight, source, self.timer.now(), self.timer.resolution())
    }

    fn by_what_is_known(&self, request: &Request, key: &Key) -> Next<R::Revision> {
        let known = self.seen.lock().get(key);
        match known {
            Some((sight, watched)) => self.next(request, Some(&sight), Source::Known { watched }),
            None => Next::Read,
        }
    }

    fn by_what_was_read(
        &self,
        asked: Asked<'_>,
        answer: Result<Option<Stored<R::Revision>>, StorageError>,
        sent: Instant,
    ) -> Result<Next<R::Revision>, StorageError> {
        let sight = self.see(asked.key, answer?, Some(sent))?;
        Ok(self.next(asked.request, sight.as_ref(), Source::Read))
    }

    /// It is done; or the register has moved, and is to be read.
    fn by_what_was_swapped(
        &self,
        Asked { request, key, .. }: Asked<'_>,
        change: Change<R::Revision>,
        answer: Result<Option<R::Revision>, StorageError>,
        sent: Instant,
    ) -> Result<Next<R::Revision>, StorageError> {
        let now = self.timer.now();
        let mut seen = self.seen.lock();
        match answer {
            Ok(Some(revision)) => {
                let before = seen.get(key).map(|(sight, _)| sight.record);
                let wakes = change.record.wakes_followers(before.as_ref());
                seen.take_in(key, revision, change.record, Some(sent), now);
                drop(seen);
                if wakes {
                    self.subscribers.wake(key);
                }
                Ok(Next::Answer(change.reply))
            }
            Ok(None) => {
                seen.moved(key, change.expected.as_ref());
                Ok(Next::Read)
            }
            // Whoever only looks may have no right to write: it is told the end that this handle has seen, which stays as it is for
            // those who act on it.
            Err(error) if error.kind() == ErrorKind::Permanent && matches!(request, Request::Get(_)) => {
                Ok(Next::Answer(change.reply))
            }
            Err(error) => {
                seen.doubt(key);
                Err(error)
            }
        }
    }

    async fn read_all(&self, reads: &[Asked<'_>]) -> Vec<Result<Option<Stored<R::Revision>>, StorageError>> {
        match reads {
            [] => Vec::new(),
            [asked] => vec![self.registers.read(asked.key).await],
            reads => {
                let keys: Vec<_> = reads.iter().map(|asked| asked.key.clone()).collect();
                fit(self.registers.read_all(&keys).await, keys.len())
            }
        }
    }

    async fn swap_all(
        &self,
        swaps: &[(Asked<'_>, Box<Change<R::Revision>>)],
    ) -> Vec<Result<Option<R::Revision>, StorageError>> {
        let swaps: Vec<_> = swaps
            .iter()
            .map(|(asked, change)| Swap::new(asked.key.clone(), change.expected.clone(), change.record.to_bytes()))
            .collect();
        match &swaps[..] {
            [] => Vec::new(),
            [swap] => vec![self.registers.swap(swap).await],
            swaps => fit(self.registers.swap_all(swaps).await, swaps.len()),
        }
    }
}

/// As many answers as were asked for.
fn fit<A>(mut answers: Vec<Result<A, StorageError>>, count: usize) -> Vec<Result<A, StorageError>> {
    answers.resize_with(count, || Err(StorageError::unfit()));
    answers
}
