//! What is asked on a stream of watches: in order, as the client takes it.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;

use etcd_client::{Error, WatchOptions, WatchRequestSender};
use futures::FutureExt;

/// Requests that wait for their turn: the client takes about a hundred before the connection has taken any.
pub(super) struct Outbox {
    way: Way,
    waiting: VecDeque<Request>,
}

/// Asks for a watcher, or gives one back.
pub(super) enum Request {
    Watch(Vec<u8>, WatchOptions),
    Cancel(i64),
}

/// To the connection.
enum Way {
    Free(WatchRequestSender),
    /// With one request, which it has to itself.
    Taken(Pin<Box<dyn Future<Output = Result<WatchRequestSender, Error>> + Send>>),
    /// The client takes no more.
    Closed,
}

impl Outbox {
    pub(super) fn new(sender: WatchRequestSender) -> Self {
        Self { way: Way::Free(sender), waiting: VecDeque::new() }
    }

    /// Sent when it is its turn, by [`poll_closed`](Self::poll_closed).
    pub(super) fn push(&mut self, request: Request) {
        self.waiting.push_back(request);
    }

    /// Sends what waits, for as long as the client takes it. Ready when it takes no more, ever.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match core::mem::replace(&mut self.way, Way::Closed) {
                Way::Free(sender) => match self.waiting.pop_front() {
                    Some(request) => self.way = Way::Taken(Box::pin(send(sender, request))),
                    None => {
                        self.way = Way::Free(sender);
                        return Poll::Pending;
                    }
                },
                Way::Taken(mut sending) => match sending.poll_unpin(cx) {
                    Poll::Ready(Ok(sender)) => self.way = Way::Free(sender),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.way = Way::Taken(sending);
                        return Poll::Pending;
                    }
                },
                Way::Closed => return Poll::Ready(()),
            }
        }
    }
}

async fn send(mut sender: WatchRequestSender, request: Request) -> Result<WatchRequestSender, Error> {
    match request {
        Request::Watch(name, options) => sender.watch(name, Some(options)).await?,
        Request::Cancel(number) => sender.cancel(number).await?,
    }
    Ok(sender)
}
