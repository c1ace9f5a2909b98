//! The storage: requests to scripts, grouped by operation and shard.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use futures::future::{join, join_all};
use lessor::storage::{Refusals, Reply, Request};
use lessor::{Key, Storage, StorageError, SystemTimer, Timer, Wakeups, async_trait};
use lessor_kit::batch::Batch;
use lessor_kit::encoding::whole_ms;
use lessor_kit::error::AdapterError;
use lessor_kit::listener::{HEARTBEAT, Listener};
use lessor_kit::repeat::Repeat;
use lessor_kit::timeout::{self, within};
use redis::{Client, Cmd, Value};

use crate::answer::Answer;
use crate::builder::RedisBuilder;
use crate::layout::{Layout, shard};
use crate::link::Link;
use crate::request::{add_arguments, reply, ttl};
use crate::scripts::Scripts;
use crate::wakeups::PubSub;

/// The most keys of one call: the server does nothing else meanwhile.
const MOST: usize = 256;

/// Leases in a Redis server, through your own client.
///
/// The [crate's documentation](crate) says what it runs, what survives and what it costs.
///
/// Clones share the connections, which end with the last clone.
///
/// ```no_run
/// use lessor::Storage;
/// use lessor_redis::RedisStorage;
/// use lessor_redis::redis::Client;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = RedisStorage::new(Client::open("redis://:password@cache.example.com")?);
/// storage.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStorage(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) link: Arc<Link>,
    pub(crate) layout: Layout,
    pub(crate) scripts: Scripts,
    pub(crate) max_ttl: Duration,
    pub(crate) durable: bool,
    /// `None`: there are no wake-ups.
    pub(crate) wakeups: Option<Wakener>,
    /// What answers followers that need not know how it is now.
    refusals: Refusals,
}

/// What hears of hand-overs, and how to try whether it could.
pub(crate) struct Wakener {
    pub(crate) channel: PubSub,
    listener: Listener<PubSub>,
}

/// A request that is about one key, and its place in the batch.
type Keyed<'r> = (usize, &'r Request, &'r Key);

impl RedisStorage {
    /// Uses your client's settings, and keys that begin with `lessor`. Nothing is sent yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self::builder().build(client)
    }

    /// Settings to change: at first the prefix `lessor`, a longest ttl of 60 s, no durability, and wake-ups.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::new()
    }

    /// A request that is about no single key.
    async fn many_keys(&self, place: usize, request: &Request) -> (usize, Result<Reply, StorageError>) {
        match request {
            Request::List(list) => (place, self.page(list).await.map(Reply::Listed)),
            _ => (place, Err(StorageError::unsupported(request))),
        }
    }

    pub(crate) fn with(builder: RedisBuilder, client: Client) -> Self {
        let RedisBuilder { layout, max_ttl, durable, wakeups } = builder;
        let link = Arc::new(Link::new(client.clone()));
        let wakeups = wakeups.then(|| {
            let channel = PubSub { client, layout: layout.clone(), link: link.clone(), heartbeat: HEARTBEAT };
            Wakener { listener: Listener::new(channel.clone()), channel }
        });
        Self(Arc::new(Inner {
            link,
            layout,
            scripts: Scripts::new(),
            max_ttl,
            durable,
            wakeups,
            refusals: Refusals::new(),
        }))
    }
}

impl Inner {
    /// What every script is told first: its keys, the marker before the records, and the settings.
    pub(crate) fn add_beginning<'k>(
        &self,
        command: &mut Cmd,
        run_id: &str,
        shard: u64,
        keys: impl ExactSizeIterator<Item = &'k Key>,
    ) {
        command.arg(keys.len() + 1).arg(self.layout.marker(shard));
        for key in keys {
            command.arg(self.layout.record(key));
        }
        let channel = if self.wakeups.is_some() { self.layout.channel() } else { "" };
        command.arg(run_id).arg(whole_ms(self.max_ttl)).arg(u8::from(self.durable)).arg(channel);
    }

    /// A lease may not outlast the freeze.
    fn admit(&self, request: &Request) -> Result<(), AdapterError> {
        match ttl(request) {
            Some(ttl) if ttl > self.max_ttl => Err(AdapterError::ttl_too_long(ttl, self.max_ttl)),
            _ => Ok(()),
        }
    }

    /// The same operation on keys of one shard: one call.
    async fn call(&self, shard: u64, keyed: Vec<Keyed<'_>>) -> Vec<(usize, Result<Reply, StorageError>)> {
        let answers = self.answers(shard, &keyed).await;
        let answer = |index: usize, (_, request, key): &Keyed<'_>| -> Result<Reply, StorageError> {
            let answers = answers.as_ref().map_err(Clone::clone)?;
            let answer = answers.get(index).ok_or(AdapterError::Unfit)?;
            Ok(reply(request, Answer::read(key, answer)?)?)
        };
        keyed.iter().enumerate().map(|(index, keyed)| (keyed.0, answer(index, keyed))).collect()
    }

    /// What the script answers, key by key.
    async fn answers(&self, shard: u64, keyed: &[Keyed<'_>]) -> Result<Vec<Value>, StorageError> {
        let Some((_, request, _)) = keyed.first() else { return Ok(Vec::new()) };
        let script = self.scripts.of(request.operation()).ok_or_else(|| StorageError::unsupported(request))?;
        // One that may not be repeated takes the others with it: they hear that their outcome is not known.
        let once = keyed.iter().any(|(_, request, _)| Repeat::of(request) == Repeat::Unapplied);
        let repeat = if once { Repeat::Unapplied } else { Repeat::Anytime };
        let value = self.link.run(repeat, script, |command, run_id| {
            self.add_beginning(command, run_id, shard, keyed.iter().map(|(_, _, key)| *key));
            for (_, request, _) in keyed {
                add_arguments(command, request);
            }
        });
        match value.await? {
            Value::Array(answers) => Ok(answers),
            _ => Err(AdapterError::Unfit.into()),
        }
    }
}

#[async_trait]
impl Storage for RedisStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let replies = self.call_all(vec![request]).await;
        replies.into_iter().next().unwrap_or_else(|| Err(AdapterError::Unfit.into()))
    }

    /// One call for each operation and shard that occur, and for every 256 keys of those. All are sent at once; an
    /// error in one says nothing about the others. Each list makes calls of its own.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let inner = &*self.0;
        let mut batch = Batch::new(requests.iter().map(Request::key));
        let asked = SystemTimer::new().now();
        for (place, request) in batch.open(&requests) {
            if let Err(error) = inner.admit(request) {
                batch.answer(place, Err(error.into()));
            } else if let Some(reply) = inner.refusals.answer(request, asked) {
                batch.answer(place, Ok(reply));
            }
        }

        let (mut lists, mut calls) = (Vec::new(), Vec::new());
        for ((_, shard), group) in batch.groups(&requests, |request| (request.operation(), request.key().map(shard))) {
            match shard {
                Some(shard) => {
                    let keyed = group.into_iter().filter_map(|(place, request)| Some((place, request, request.key()?)));
                    let keyed: Vec<Keyed<'_>> = keyed.collect();
                    calls.extend(keyed.chunks(MOST).map(|some| inner.call(shard, some.to_vec())));
                }
                None => lists.extend(group.into_iter().map(|(place, request)| self.many_keys(place, request))),
            }
        }
        let (called, listed) = join(join_all(calls), join_all(lists)).await;
        let heard = SystemTimer::new().now();
        for (place, reply) in called.into_iter().flatten().chain(listed) {
            if let (Some(request), Ok(reply)) = (requests.get(place), &reply) {
                inner.refusals.note(request, reply, asked, heard);
            }
            batch.answer(place, reply);
        }
        batch.into_answers()
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.wakeups.as_ref().map_or(Wakeups::never(), |wakeups| wakeups.listener.subscribe(key).complete())
    }

    /// Whether the server is a primary that evicts no records and has all of the storage's keys, and this user may run scripts,
    /// tell followers and be told, for which it makes a connection of its own. Writes nothing. It passes during a freeze.
    async fn check(&self) -> Result<(), StorageError> {
        within(timeout::CHECK, self.0.check()).await?
    }
}

impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { layout, max_ttl, durable, .. } = &*self.0;
        f.debug_struct("RedisStorage")
            .field("prefix", &layout.prefix())
            .field("max_ttl", max_ttl)
            .field("durable", durable)
            .finish_non_exhaustive()
    }
}
