use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{BoxFuture, Either, Shared, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, stream};
use lessor::Instant;

use super::{Connector, Line, Link, now};
use crate::timeout::within;

type Outcome<C> = Result<Arc<Line<<C as Connector>::Connection>>, <C as Connector>::Failure>;

/// The way to a connection, for all who wait: over as soon as there is one, or none of the servers has given one.
pub(super) struct Round<C: Connector> {
    number: u64,
    outcome: Shared<BoxFuture<'static, Outcome<C>>>,
    /// How many servers are being tried, or were.
    begun: Arc<AtomicUsize>,
    /// Tells that somebody has given up, who has seen so many begun.
    go_on: UnboundedSender<usize>,
    waiting: usize,
    /// When it was last left by somebody who waited.
    left: Instant,
}

impl<C: Connector> Round<C> {
    pub(super) fn begin(connector: Arc<C>, number: u64, first: usize, patience: Duration) -> Self {
        let (go_on, given_up) = unbounded();
        let begun = Arc::new(AtomicUsize::new(1));
        let outcome = run(connector, first, patience, begun.clone(), given_up).boxed().shared();
        Self { number, outcome, begun, go_on, waiting: 0, left: now() }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Somebody waits for it.
    pub(super) fn wait<'a>(&mut self, link: &'a Link<C>) -> Waiting<'a, C> {
        self.waiting += 1;
        let begun = self.begun.load(Ordering::Relaxed);
        Waiting { link, number: self.number, begun, outcome: Some(self.outcome.clone()) }
    }

    /// Somebody waits no longer: the next server may be better off.
    pub(super) fn gave_up(&mut self, begun: usize, now: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        self.left = now;
        let _ = self.go_on.unbounded_send(begun);
    }

    /// Whether nobody has driven it for so long that what came of it says nothing any more.
    pub(super) fn was_deserted(&self, now: Instant, after: Duration) -> bool {
        self.waiting == 0 && now.saturating_duration_since(self.left) > after
    }
}

/// Tries one server after the other, and beside one another where somebody has given up.
async fn run<C: Connector>(
    connector: Arc<C>,
    first: usize,
    patience: Duration,
    begun: Arc<AtomicUsize>,
    given_up: UnboundedReceiver<usize>,
) -> Outcome<C> {
    // The round may be replaced while somebody still waits for it.
    let mut given_up = given_up.chain(stream::pending());
    let servers = connector.servers().max(1);
    let attempt = |number: usize| open(connector.clone(), (first + number) % servers, patience).boxed();
    let mut attempts = FuturesUnordered::from_iter([attempt(0)]);
    let mut count = 1;
    loop {
        let goes_on = match select(attempts.next(), given_up.next()).await {
            Either::Left((Some(Ok(line)), _)) => return Ok(line),
            Either::Left((Some(Err(failure)), _)) => {
                if !C::is_of_one_server(&failure) || count == servers && attempts.is_empty() {
                    return Err(failure);
                }
                true
            }
            Either::Right((Some(seen), _)) => seen == count,
            // There is always one under way, and always somebody who may give up.
            Either::Left((None, _)) | Either::Right((None, _)) => true,
        };
        if goes_on && count < servers {
            attempts.push(attempt(count));
            count += 1;
            begun.store(count, Ordering::Relaxed);
        }
    }
}

async fn open<C: Connector>(connector: Arc<C>, place: usize, patience: Duration) -> Outcome<C> {
    let began = now();
    let connection = match within(patience, connector.connect(place)).await {
        Ok(connection) => connection?,
        Err(late) => return Err(connector.late(place, late)),
    };
    Ok(Arc::new(Line::opened(connection, place, began)))
}

/// Somebody who waits for a round, and drives it.
pub(super) struct Waiting<'a, C: Connector> {
    link: &'a Link<C>,
    number: u64,
    begun: usize,
    /// `None`: it is over.
    outcome: Option<Shared<BoxFuture<'static, Outcome<C>>>>,
}

impl<C: Connector> Future for Waiting<'_, C> {
    type Output = Outcome<C>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<C>> {
        let this = self.get_mut();
        let Some(running) = &mut this.outcome else { return Poll::Pending };
        let outcome = core::task::ready!(running.poll_unpin(cx));
        this.outcome = None;
        this.link.landed(this.number, &outcome);
        Poll::Ready(outcome)
    }
}

impl<C: Connector> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        if self.outcome.is_some() {
            self.link.gave_up(self.number, self.begun);
        }
    }
}
