//! What is written to registers, as it is written: one stream for all keys of a storage, with a watcher for each.
//!
//! A watcher for a key, and not one for all of the prefix: a process hears of the keys that it follows, however many others
//! renew.

mod outbox;

use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicI64, Ordering};
use core::task::Poll;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use etcd_client::{Error, WatchOptions, WatchRequestSender, WatchResponse, WatchResponseStream};
use futures::{StreamExt, stream};
use lessor::StorageError;
use lessor::storage::registers::{Stored, Watch};
use lessor_kit::listener::PATIENCE;
use lessor_kit::runtime;
use lessor_kit::timeout::within;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::connection::Connection;
use crate::error::{Cause, Failure, cancelled, explain};
use crate::link::{Link, SilenceWatch};
use crate::registers::{look, stored};
use outbox::{Outbox, Request};

/// How many watchers may be asked for that do not stand yet.
const PENDING: usize = 64;

type Told = Result<Option<Stored<i64>>, StorageError>;

/// Follows keys for a storage: on one stream, that a task of its own reads, from the first watch on.
pub(crate) struct Watcher {
    link: Arc<Link>,
    /// The only strong one: dropped, it ends the task.
    task: Mutex<Option<UnboundedSender<Order>>>,
    /// How many watches there were: each has a number of its own on whatever stream it comes to.
    count: AtomicI64,
}

/// What the task is asked for.
enum Order {
    Follow(Follow),
    Leave(i64),
}

/// A watcher, and whom it tells.
struct Follow {
    name: Vec<u8>,
    /// What was read, and from which revision on there may be more.
    read: Option<Stored<i64>>,
    from: i64,
    number: i64,
    told: watch::Sender<Option<Told>>,
}

impl Follow {
    fn options(&self) -> WatchOptions {
        WatchOptions::new().with_start_revision(self.from).with_watch_id(self.number)
    }

    fn fails(&self, error: &StorageError) {
        self.told.send_replace(Some(Err(error.clone())));
    }
}

impl Watcher {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, task: Mutex::new(None), count: AtomicI64::new(0) }
    }

    /// Nothing is sent before it is polled.
    pub(crate) fn watch(&self, name: Vec<u8>) -> Watch<i64> {
        let orders = self.orders();
        let link = Arc::downgrade(&self.link);
        // From 1 on: for 0 the server would choose one.
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let begin = Box::pin(begin(link, orders, name, number));
        Watch::new(stream::unfold(State::Begins(begin), next))
    }

    /// The way to the task, which is started if there is none.
    fn orders(&self) -> Result<WeakUnboundedSender<Order>, StorageError> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(orders) = task.as_ref().filter(|orders| !orders.is_closed()) {
            return Ok(orders.downgrade());
        }
        let (sender, orders) = unbounded_channel();
        runtime::handle()?.spawn(follow_all(Arc::downgrade(&self.link), orders));
        Ok(task.insert(sender).downgrade())
    }
}

/// A watch of one key, as its stream goes.
enum State<B> {
    Begins(B),
    Stands(Following),
    Over,
}

/// Hears of one key. Dropped, the watcher is given back.
struct Following {
    told: watch::Receiver<Option<Told>>,
    orders: WeakUnboundedSender<Order>,
    number: i64,
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(orders) = self.orders.upgrade() {
            let _ = orders.send(Order::Leave(self.number));
        }
    }
}

/// Reads the register, and asks for what comes after that.
async fn begin(
    link: Weak<Link>,
    orders: Result<WeakUnboundedSender<Order>, StorageError>,
    name: Vec<u8>,
    number: i64,
) -> Result<Following, StorageError> {
    let gone = || StorageError::transient("the storage is gone");
    let (read, revision) = {
        let link = link.upgrade().ok_or_else(gone)?;
        look(&link, &name).await?
    };
    let orders = orders?;
    let (sender, told) = watch::channel(None);
    let follow = Follow { name, read, from: revision.saturating_add(1), number, told: sender };
    let sender = orders.upgrade().ok_or_else(gone)?;
    sender.send(Order::Follow(follow)).map_err(|_| gone())?;
    Ok(Following { told, orders, number })
}

async fn next<B: Future<Output = Result<Following, StorageError>> + Unpin>(
    state: State<B>,
) -> Option<(Told, State<B>)> {
    let following = match state {
        State::Begins(begin) => begin.await,
        State::Stands(following) => Ok(following),
        State::Over => return None,
    };
    let mut following = match following {
        Ok(following) => following,
        Err(error) => return Some((Err(error), State::Over)),
    };
    // However much came: the newest.
    following.told.changed().await.ok()?;
    let told = following.told.borrow_and_update().clone()?;
    let state = if told.is_ok() { State::Stands(following) } else { State::Over };
    Some((told, state))
}

/// One stream after the other, for as long as there is somebody to tell. Each that ends has told so.
async fn follow_all(link: Weak<Link>, mut orders: UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        let Order::Follow(first) = order else { continue };
        if first.told.is_closed() {
            continue;
        }
        let Some(link) = link.upgrade() else { return };
        match open(&link, &first).await {
            Ok((stream, connection)) => {
                let stream = Stream::begin(stream, first);
                let weak = Arc::downgrade(&link);
                drop(link);
                stream.run(&mut orders, &connection, &weak).await;
            }
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

type Opened = ((WatchRequestSender, WatchResponseStream), Arc<Connection>);

/// Begins a stream with this watcher.
async fn open(link: &Link, first: &Follow) -> Result<Opened, StorageError> {
    let connection = link.connection().await?;
    let mut client = connection.watcher();
    // The cluster says nothing before the watcher stands.
    let failure = {
        let _watch = SilenceWatch::new(link, &connection);
        match within(PATIENCE, client.watch(first.name.clone(), Some(first.options()))).await {
            Ok(Ok(stream)) => {
                connection.answered();
                return Ok((stream.split(), connection.clone()));
            }
            Ok(Err(error)) => explain(link.cluster(), error, connection.answers() == 0),
            Err(late) => Failure::silent(late),
        }
    };
    link.leave_if_failed(&connection, failure.cause);
    Err(failure.error)
}

/// One stream, and the watchers on it.
struct Stream {
    requests: Outbox,
    responses: WatchResponseStream,
    /// Those that are asked for: they stand in this order.
    pending: VecDeque<Follow>,
    standing: HashMap<i64, Follow>,
}

enum Heard {
    Order(Option<Order>),
    Response(Option<Result<WatchResponse, Error>>),
    Over,
}

impl Stream {
    fn begin((requests, responses): (WatchRequestSender, WatchResponseStream), first: Follow) -> Self {
        let requests = Outbox::new(requests);
        Self { requests, responses, pending: VecDeque::from([first]), standing: HashMap::new() }
    }

    /// Until it ends, or nobody needs it.
    async fn run(mut self, orders: &mut UnboundedReceiver<Order>, connection: &Arc<Connection>, link: &Weak<Link>) {
        let mut over = pin!(connection.over());
        let end = loop {
            if self.pending.is_empty() && self.standing.is_empty() {
                return;
            }
            let heard = poll_fn(|cx| {
                if let Poll::Ready(response) = self.responses.poll_next_unpin(cx) {
                    return Poll::Ready(Heard::Response(response));
                }
                if self.requests.poll_closed(cx).is_ready() {
                    return Poll::Ready(Heard::Over);
                }
                if self.pending.len() < PENDING
                    && let Poll::Ready(order) = orders.poll_recv(cx)
                {
                    return Poll::Ready(Heard::Order(order));
                }
                over.as_mut().poll(cx).map(|()| Heard::Over)
            });
            match heard.await {
                Heard::Order(Some(order)) => self.obey(order),
                // The storage is gone.
                Heard::Order(None) => return,
                Heard::Response(Some(Ok(response))) => {
                    // What others write is no answer: it comes also where nothing of this side's gets through any more.
                    if response.created() || response.canceled() {
                        connection.answered();
                    }
                    self.hear(&response);
                }
                Heard::Response(Some(Err(error))) => break Some(error),
                Heard::Response(None) | Heard::Over => break None,
            }
        };
        let link = link.upgrade();
        let error = match (end, &link) {
            (Some(error), Some(link)) => {
                let failure = explain(link.cluster(), error, false);
                link.leave_if_failed(connection, failure.cause);
                failure.error
            }
            (_, link) => {
                if let Some(link) = link {
                    link.leave_if_failed(connection, Cause::Broken);
                }
                StorageError::transient("the stream of watches has ended")
            }
        };
        self.pending.iter().chain(self.standing.values()).for_each(|follow| follow.fails(&error));
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Follow(follow) if follow.told.is_closed() => {}
            Order::Follow(follow) => {
                self.requests.push(Request::Watch(follow.name.clone(), follow.options()));
                self.pending.push_back(follow);
            }
            // One that does not stand yet is given back when it does.
            Order::Leave(number) => {
                if self.standing.remove(&number).is_some() {
                    self.requests.push(Request::Cancel(number));
                }
            }
        }
    }

    fn hear(&mut self, response: &WatchResponse) {
        let number = response.watch_id();
        if response.created() {
            let Some(mut follow) = self.pending.pop_front() else { return };
            if response.canceled() {
                follow.fails(&cancelled(response.cancel_reason()));
            } else if follow.told.is_closed() {
                self.requests.push(Request::Cancel(number));
            } else {
                follow.told.send_replace(Some(Ok(follow.read.take())));
                self.standing.insert(number, follow);
            }
        } else if response.canceled() {
            if let Some(follow) = self.standing.remove(&number) {
                let reason = if response.compact_revision() > 0 { "compacted" } else { response.cancel_reason() };
                follow.fails(&cancelled(reason));
            }
        } else if let Some(follow) = self.standing.get(&number)
            && let Some(kv) = response.events().last().and_then(|event| event.kv())
        {
            // What was deleted has no version.
            let newest = if kv.version() == 0 { None } else { Some(stored(kv)) };
            follow.told.send_replace(Some(Ok(newest)));
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicUsize;
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::cluster::Cluster;

    /// Where no stream can be opened one try is enough for all who wait for it.
    #[test]
    fn all_who_wait_are_told() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        // It hangs up on everybody.
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                drop(stream);
            }
        });
        let link = Arc::new(Link::new(Cluster::new([endpoint]).unwrap()));
        let (sender, orders) = unbounded_channel();
        let mut all = Vec::new();
        for number in 1..=50 {
            let (told, hears) = watch::channel(None);
            all.push(hears);
            let follow = Follow { name: vec![b'k'], read: None, from: 1, number, told };
            assert!(sender.send(Order::Follow(follow)).is_ok());
        }
        drop(sender);
        let everybody = async {
            follow_all(Arc::downgrade(&link), orders).await;
            assert!(all.iter().all(|told| matches!(*told.borrow(), Some(Err(_)))));
        };
        futures::executor::block_on(runtime::within(everybody)).unwrap();
        let connections = connections.load(Ordering::Relaxed);
        assert_eq!(connections, 1);
    }
}
