//! What is written to registers, as it is written: one consumer for all keys of a bucket.
//!
//! One for the bucket, and not one for each key: a cluster agrees about every consumer, so ten thousand would be a burden to it. A
//! process hears of all keys of the bucket, and passes over those that it does not follow.

use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_nats::{Message, StatusCode, Subscriber};
use futures::{StreamExt, stream};
use lessor::StorageError;
use lessor::storage::registers::{Stored, Watch};
use lessor_kit::link::Connection as _;
use lessor_kit::repeat::Repeat;
use lessor_kit::runtime;
use lessor_kit::timeout::within;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::{self, Held};
use crate::bucket::{Bucket, Found};
use crate::connection::Connection;
use crate::error::Failure;
use crate::setup::PATIENCE;

/// How often a server tells that it has nothing to tell.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// After so long a silence a consumer is taken to be gone: its server has crashed, say, and this one has not.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a server keeps a consumer that nobody listens to.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

type Told = Result<Found, StorageError>;

/// Follows keys for a storage: by one consumer, which a task of its own hears, from the first watch on.
pub(crate) struct Watcher {
    bucket: Arc<Bucket>,
    /// The only strong one: dropped, it ends the task.
    task: Mutex<Option<UnboundedSender<Order>>>,
    /// Of the next follower.
    number: AtomicU64,
}

/// What the task is asked for.
enum Order {
    Follow(Follow),
    Leave { subject: String, number: u64 },
}

/// A subject, and whom to tell of it.
struct Follow {
    subject: String,
    number: u64,
    told: watch::Sender<Option<Told>>,
}

impl Follow {
    fn fails(&self, error: &StorageError) {
        self.told.send_replace(Some(Err(error.clone())));
    }
}

impl Watcher {
    pub(crate) fn new(bucket: Arc<Bucket>) -> Self {
        Self { bucket, task: Mutex::new(None), number: AtomicU64::new(0) }
    }

    /// Nothing is sent before it is polled.
    pub(crate) fn watch(&self, subject: String) -> Watch<u64> {
        let orders = self.orders();
        let bucket = Arc::downgrade(&self.bucket);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let begin = Box::pin(begin(bucket, orders, subject, number));
        Watch::new(stream::unfold(State::Begins(begin), next))
    }

    /// The way to the task, which is started if there is none.
    fn orders(&self) -> Result<WeakUnboundedSender<Order>, StorageError> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(orders) = task.as_ref().filter(|orders| !orders.is_closed()) {
            return Ok(orders.downgrade());
        }
        let (sender, orders) = unbounded_channel();
        runtime::handle()?.spawn(follow_all(Arc::downgrade(&self.bucket), orders));
        Ok(task.insert(sender).downgrade())
    }
}

/// A watch of one key, as its stream goes.
enum State<B> {
    Begins(B),
    Stands(Following),
    Over,
}

/// Hears of one key. Dropped, it is told of no more.
struct Following {
    told: watch::Receiver<Option<Told>>,
    orders: WeakUnboundedSender<Order>,
    subject: String,
    number: u64,
    /// The newest message that was told of.
    newest: u64,
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(orders) = self.orders.upgrade() {
            let _ = orders.send(Order::Leave { subject: core::mem::take(&mut self.subject), number: self.number });
        }
    }
}

/// Waits until a consumer tells of what is written, and reads what was written before that.
async fn begin(
    bucket: Weak<Bucket>,
    orders: Result<WeakUnboundedSender<Order>, StorageError>,
    subject: String,
    number: u64,
) -> Result<(Following, Option<Stored<u64>>), StorageError> {
    let gone = || StorageError::transient("the storage is gone");
    let orders = orders?;
    let (sender, told) = watch::channel(None);
    let mut following = Following { told, orders, subject, number, newest: 0 };
    let follow = Follow { subject: following.subject.clone(), number, told: sender };
    following.orders.upgrade().ok_or_else(gone)?.send(Order::Follow(follow)).map_err(|_| gone())?;
    let heard = following.heard().await?;
    let read = {
        let bucket = bucket.upgrade().ok_or_else(gone)?;
        bucket.look(&following.subject).await?
    };
    // The newer one of both.
    let first = if heard.sequence > read.sequence { heard } else { read };
    following.newest = first.sequence;
    Ok((following, first.stored))
}

impl Following {
    /// However much came: the newest.
    async fn heard(&mut self) -> Told {
        let ended = || StorageError::transient("the watch has ended");
        self.told.changed().await.map_err(|_| ended())?;
        self.told.borrow_and_update().clone().ok_or_else(ended)?
    }
}

async fn next<B>(state: State<B>) -> Option<(Result<Option<Stored<u64>>, StorageError>, State<B>)>
where
    B: Future<Output = Result<(Following, Option<Stored<u64>>), StorageError>> + Unpin,
{
    let told = match state {
        State::Begins(begin) => begin.await,
        State::Stands(mut following) => loop {
            match following.heard().await {
                Ok(found) if found.sequence > following.newest => {
                    following.newest = found.sequence;
                    break Ok((following, found.stored));
                }
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        },
        State::Over => return None,
    };
    Some(match told {
        Ok((following, stored)) => (Ok(stored), State::Stands(following)),
        Err(error) => (Err(error), State::Over),
    })
}

/// One consumer after the other, for as long as there is somebody to tell. Each that ends has told so.
async fn follow_all(bucket: Weak<Bucket>, mut orders: UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        let Order::Follow(first) = order else { continue };
        if first.told.is_closed() {
            continue;
        }
        let Some(strong) = bucket.upgrade() else { return };
        let opened = match within(PATIENCE, Consumer::open(&strong)).await {
            Ok(Ok(consumer)) => Ok(consumer),
            Ok(Err(failure)) => Err(failure.error),
            Err(late) => Err(late.into()),
        };
        drop(strong);
        match opened {
            Ok(consumer) => consumer.run(first, &mut orders, &bucket).await,
            Err(error) => {
                first.fails(&error);
                // Whoever asked meanwhile would hear the same.
                while let Ok(order) = orders.try_recv() {
                    if let Order::Follow(follow) = order {
                        follow.fails(&error);
                    }
                }
            }
        }
    }
}

/// One consumer, and whom it tells.
struct Consumer {
    connection: Arc<Connection>,
    messages: Subscriber,
    /// Where JetStream is told that it may go.
    delete: String,
    /// How many messages it has delivered.
    delivered: u64,
    followed: HashMap<String, Vec<Follow>>,
}

enum Heard {
    Order(Option<Order>),
    Message(Option<Message>),
    Silence,
    Over,
}

impl Consumer {
    async fn open(bucket: &Bucket) -> Result<Self, Failure> {
        let connection = bucket.link.connection().await?;
        let (inbox, messages) = connection.inbox().await?;
        let name = inbox.rsplit('.').next().unwrap_or_default().to_owned();
        let stream = bucket.layout.stream();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let consumer = json!({
            "stream_name": stream,
            "config": {
                "name": name,
                "description": "follows leases",
                "deliver_subject": inbox,
                "deliver_policy": "new",
                "ack_policy": "none",
                "replay_policy": "instant",
                "idle_heartbeat": nanos(HEARTBEAT),
                "inactive_threshold": nanos(FORGOTTEN_AFTER),
                "num_replicas": 1,
                "mem_storage": true,
            },
        });
        let ask = api::ask(bucket.layout.api(format_args!("CONSUMER.CREATE.{stream}.{name}")), &consumer);
        bucket.link.exchange::<IgnoredAny>(&connection, Repeat::Unapplied, &ask).await?;
        let delete = bucket.layout.api(format_args!("CONSUMER.DELETE.{stream}.{name}"));
        Ok(Self { connection, messages, delete, delivered: 0, followed: HashMap::new() })
    }

    /// Until it ends, or nobody needs it.
    async fn run(mut self, first: Follow, orders: &mut UnboundedReceiver<Order>, bucket: &Weak<Bucket>) {
        let mut over = pin!(self.connection.over());
        let mut silence = pin!(tokio::time::sleep(SILENCE));
        let mut answers = self.connection.answers();
        self.obey(Order::Follow(first));
        let is_lost = loop {
            if self.followed.is_empty() {
                break false;
            }
            let heard = poll_fn(|cx| {
                if let Poll::Ready(message) = self.messages.poll_next_unpin(cx) {
                    return Poll::Ready(Heard::Message(message));
                }
                if let Poll::Ready(order) = orders.poll_recv(cx) {
                    return Poll::Ready(Heard::Order(order));
                }
                if silence.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Heard::Silence);
                }
                over.as_mut().poll(cx).map(|()| Heard::Over)
            });
            match heard.await {
                Heard::Order(Some(order)) => self.obey(order),
                // The storage is gone.
                Heard::Order(None) => break false,
                Heard::Message(Some(message)) => {
                    silence.as_mut().reset(Instant::now() + SILENCE);
                    answers = self.connection.answers();
                    let Some(bucket) = bucket.upgrade() else { break false };
                    if self.hear(message, &bucket).is_none() {
                        break true;
                    }
                }
                Heard::Silence => {
                    // Nothing else came on it either.
                    if self.connection.answers() == answers
                        && let Some(bucket) = bucket.upgrade()
                    {
                        bucket.link.leave(&self.connection, None);
                    }
                    break true;
                }
                Heard::Message(None) | Heard::Over => break true,
            }
        };
        if is_lost {
            let error = StorageError::transient("the consumer that tells of writes was lost");
            self.followed.values().flatten().for_each(|follow| follow.fails(&error));
        } else {
            self.connection.tell(self.delete).await;
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Follow(follow) if follow.told.is_closed() => {}
            Order::Follow(follow) => {
                // What is written from now on is told of.
                follow.told.send_replace(Some(Ok(Found::default())));
                self.followed.entry(follow.subject.clone()).or_default().push(follow);
            }
            Order::Leave { subject, number } => {
                if let Some(followers) = self.followed.get_mut(&subject) {
                    followers.retain(|follow| follow.number != number);
                    if followers.is_empty() {
                        self.followed.remove(&subject);
                    }
                }
            }
        }
    }

    /// `None`: the consumer has ended, or something that it told was lost on the way.
    fn hear(&mut self, message: Message, bucket: &Bucket) -> Option<()> {
        let header = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str());
        match message.status {
            Some(StatusCode::IDLE_HEARTBEAT) => {
                let delivered = header("Nats-Last-Consumer").and_then(|number| number.parse::<u64>().ok());
                return delivered.is_none_or(|delivered| delivered == self.delivered).then_some(());
            }
            Some(_) => return None,
            None => {}
        }
        let (sequence, delivered) = numbers(message.reply.as_deref()?)?;
        if delivered != self.delivered + 1 {
            return None;
        }
        self.delivered = delivered;
        if let Some(followers) = self.followed.get(message.subject.as_str()) {
            let mut names = message.headers.iter().flat_map(|headers| headers.iter()).map(|(name, _)| name.to_string());
            let bytes = (!names.any(|name| api::marks(&name))).then(|| message.payload.to_vec());
            let found = bucket.found(&message.subject, Held { sequence, bytes });
            followers.iter().for_each(|follow| drop(follow.told.send_replace(Some(Ok(found.clone())))));
        }
        Some(())
    }
}

/// The number of a message in the stream, and among those that its consumer delivered, from where it would be acknowledged:
/// `$JS.ACK.STREAM.CONSUMER.TIMES.NUMBER.DELIVERED.TIME.PENDING`, with a domain and an account before the stream in later versions.
fn numbers(reply: &str) -> Option<(u64, u64)> {
    let parts: Vec<_> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let first = if parts.len() == 7 { 3 } else { 5 };
    Some((parts.get(first)?.parse().ok()?, parts.get(first + 1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_number() {
        assert_eq!(numbers("$JS.ACK.KV_lessor.c.1.70.3.1700000000000000000.0"), Some((70, 3)));
        assert_eq!(numbers("$JS.ACK.hub.acc.KV_lessor.c.1.70.3.1700000000000000000.0"), Some((70, 3)));
        assert_eq!(numbers("$JS.ACK._.acc.KV_lessor.c.1.70.3.1700000000000000000.0.token"), Some((70, 3)));
        for other in ["", "$JS.ACK.a", "_INBOX.1", "$JS.ACK.KV_lessor.c.1.x.3.1700000000000000000.0"] {
            assert_eq!(numbers(other), None);
        }
    }
}
