//! Registers in etcd: a key each, whose revision is etcd's own.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use etcd_client::{
    Compare, CompareOp, Error, GetOptions, GetResponse, KeyValue, KvClient, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use futures::future::join_all;
use lessor::storage::List;
use lessor::storage::registers::{Registers, Stored, Swap, Watch};
use lessor::{Key, StorageError, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::repeat::Repeat;

use crate::error::{Cause, Failure};
use crate::layout::Layout;
use crate::link::Link;
use crate::watch::Watcher;

/// How many operations a transaction may have where the server is not set otherwise (`--max-txn-ops`).
const MOST: usize = 128;

/// What is under one prefix of a cluster.
pub(crate) struct EtcdRegisters {
    pub(crate) link: Arc<Link>,
    pub(crate) layout: Layout,
    watcher: Watcher,
    /// How many operations a transaction has at most.
    most: AtomicUsize,
}

type Read = Result<Option<Stored<i64>>, StorageError>;
type Swapped = Result<Option<i64>, StorageError>;

impl EtcdRegisters {
    pub(crate) fn new(link: Link, layout: Layout) -> Self {
        let link = Arc::new(link);
        let watcher = Watcher::new(link.clone());
        Self { link, layout, watcher, most: AtomicUsize::new(MOST) }
    }

    /// Sends a transaction for each few of so many requests, at most as many as the server takes, and all at once.
    ///
    /// `spare`: how many operations less each has, since they are transactions themselves, which count towards the same limit.
    async fn in_parts<A: Clone, F: Future<Output = Result<Vec<A>, Failure>>>(
        &self,
        count: usize,
        spare: usize,
        send: impl Fn(Range<usize>) -> F,
    ) -> Vec<Result<A, StorageError>> {
        let mut answers = vec![None; count];
        let mut open = Vec::from([Range { start: 0, end: count }]);
        while !open.is_empty() {
            let most = self.most.load(Ordering::Relaxed);
            let part = most.saturating_sub(spare).max(1);
            let parts: Vec<_> = open.drain(..).flat_map(|range| split(range, part)).collect();
            let sent = join_all(parts.iter().cloned().map(&send)).await;
            for (range, answer) in parts.into_iter().zip(sent) {
                let places = answers.iter_mut().skip(range.start).take(range.len());
                match answer {
                    Ok(some) => places.zip(some).for_each(|(place, answer)| *place = Some(Ok(answer))),
                    // Nothing of it was done: in smaller parts.
                    Err(failure) if failure.cause == Cause::TooLarge && range.len() > 1 => {
                        self.most.fetch_min((most / 2).max(1 + spare), Ordering::Relaxed);
                        open.push(range);
                    }
                    Err(failure) => places.for_each(|place| *place = Some(Err(failure.error.clone()))),
                }
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(AdapterError::Unfit.into()))).collect()
    }

    async fn get(&self, name: Vec<u8>, options: GetOptions) -> Result<GetResponse, Failure> {
        self.link
            .ask(Repeat::Anytime, |mut kv: KvClient| {
                let (name, options) = (name.clone(), options.clone());
                async move { kv.get(name, Some(options)).await }
            })
            .await
    }

    async fn transact(&self, repeat: Repeat, transaction: Txn) -> Result<TxnResponse, Failure> {
        self.link
            .ask(repeat, |mut kv: KvClient| {
                let transaction = transaction.clone();
                async move { kv.txn(transaction).await }
            })
            .await
    }

    /// A write that happens if the register is still at this revision; a key that was never written is at 0.
    fn guarded(&self, swap: &Swap<i64>) -> Txn {
        let name = self.layout.name(&swap.key);
        let is_expected = Compare::mod_revision(name.clone(), CompareOp::Equal, swap.expected.unwrap_or(0));
        Txn::new().when([is_expected]).and_then([TxnOp::put(name, swap.bytes.clone(), None)])
    }
}

#[async_trait]
impl Registers for EtcdRegisters {
    type Revision = i64;

    fn name(&self) -> &str {
        "etcd"
    }

    async fn read(&self, key: &Key) -> Read {
        let answer = self.get(self.layout.name(key), GetOptions::new()).await.map_err(|failure| failure.error)?;
        Ok(answer.kvs().first().map(stored))
    }

    async fn swap(&self, swap: &Swap<i64>) -> Swapped {
        let answer = self.transact(Repeat::Unapplied, self.guarded(swap)).await.map_err(|failure| failure.error)?;
        Ok(if answer.succeeded() { Some(revision(&answer)?) } else { None })
    }

    /// Many reads in one transaction, all of one moment.
    async fn read_all(&self, keys: &[Key]) -> Vec<Read> {
        let read = |range: Range<usize>| async move {
            let keys = keys.get(range).unwrap_or_default();
            let reads: Vec<_> = keys.iter().map(|key| TxnOp::get(self.layout.name(key), None)).collect();
            let answer = self.transact(Repeat::Anytime, Txn::new().and_then(reads)).await?;
            let read = |answer| match answer {
                TxnOpResponse::Get(answer) => Ok(answer.kvs().first().map(stored)),
                _ => Err(AdapterError::Unfit),
            };
            Ok(answer.op_responses().into_iter().map(read).collect::<Result<Vec<_>, _>>()?)
        };
        self.in_parts(keys.len(), 0, read).await
    }

    /// Many swaps in one transaction, of transactions: each has a condition of its own, and they are one write to the cluster's log.
    async fn swap_all(&self, swaps: &[Swap<i64>]) -> Vec<Swapped> {
        let swap = |range: Range<usize>| async move {
            let swaps = swaps.get(range).unwrap_or_default();
            if let [swap] = swaps {
                return Ok(vec![self.swap(swap).await?]);
            }
            let guarded: Vec<_> = swaps.iter().map(|swap| TxnOp::txn(self.guarded(swap))).collect();
            let answer = self.transact(Repeat::Unapplied, Txn::new().and_then(guarded)).await?;
            let revision = revision(&answer)?;
            let swapped = |answer| match answer {
                TxnOpResponse::Txn(answer) => Ok(answer.succeeded().then_some(revision)),
                _ => Err(AdapterError::Unfit),
            };
            Ok(answer.op_responses().into_iter().map(swapped).collect::<Result<Vec<_>, _>>()?)
        };
        self.in_parts(swaps.len(), 1, swap).await
    }

    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<i64>)>, StorageError> {
        let wanted = list.page_size() + 1;
        let (mut start, end) = self.layout.range(list);
        let mut registers = Vec::new();
        loop {
            let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
            let options = GetOptions::new().with_range(end.clone()).with_limit(limit);
            let answer = self.get(start, options).await.map_err(|failure| failure.error)?;
            // What is no key's may be anybody's.
            registers.extend(answer.kvs().iter().filter_map(|kv| Some((self.layout.key(kv.key())?, stored(kv)))));
            match answer.kvs().last() {
                Some(last) if answer.more() && registers.len() < wanted => start = [last.key(), &[0]].concat(),
                _ => return Ok(registers),
            }
        }
    }

    fn watch(&self, key: &Key) -> Option<Watch<i64>> {
        Some(self.watcher.watch(self.layout.name(key)))
    }

    /// Reads a key that nobody has, and sends a write of it whose condition is never met: the cluster says whether it would be let.
    async fn check(&self) -> Result<(), StorageError> {
        let trial = self.layout.trial();
        let never = Compare::version(trial.clone(), CompareOp::Less, 0);
        let write = Txn::new().when([never]).and_then([TxnOp::put(trial.clone(), "", None)]);
        self.get(trial, GetOptions::new()).await.map_err(|failure| failure.error)?;
        self.transact(Repeat::Anytime, write).await.map_err(|failure| failure.error).map(drop)
    }
}

pub(crate) fn stored(kv: &KeyValue) -> Stored<i64> {
    Stored::new(kv.value().to_vec(), kv.mod_revision())
}

/// In parts of so many.
fn split(range: Range<usize>, part: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(part).map(move |start| start..end.min(start + part))
}

/// Of what this transaction wrote.
fn revision(answer: &TxnResponse) -> Result<i64, AdapterError> {
    answer.header().map(|header| header.revision()).ok_or(AdapterError::Unfit)
}

/// A register that is to be watched, and the revision of all keys when it was read.
pub(crate) async fn look(link: &Link, name: &[u8]) -> Result<(Option<Stored<i64>>, i64), StorageError> {
    link.make_way_for_watches();
    let answer: Result<GetResponse, Failure> = link
        .ask(Repeat::Anytime, |mut kv: KvClient| {
            let name = name.to_vec();
            async move { kv.get(name, None).await as Result<_, Error> }
        })
        .await;
    let answer = answer.map_err(|failure| failure.error)?;
    let revision = answer.header().map(|header| header.revision()).ok_or(AdapterError::Unfit)?;
    Ok((answer.kvs().first().map(stored), revision))
}
