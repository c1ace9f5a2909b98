//! A connection to one server.

use core::future::{pending, ready};
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use async_nats::client::RequestErrorKind;
use async_nats::{Event, HeaderMap, Message, Request, ServerError, Subscriber};
use futures::future::{Either, select};
use lessor::StorageError;
use lessor_kit::link::{self, Connector, Line};
use lessor_kit::timeout::TimedOut;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::error::{Cause, Failure, explain_opening};
use crate::servers::Servers;

/// How many refusals may come before whoever waits for an answer has looked at them.
const REFUSALS: usize = 64;

/// What is sent, to be answered.
pub(crate) struct Ask {
    pub(crate) subject: String,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Vec<u8>,
}

/// To one of the servers.
pub(crate) type Connection = Line<Client>;

/// A way to one server, as this user.
///
/// It ends with the first sign that it has broken: the client, which would connect again by itself, is dropped then. So whoever waits
/// for an answer that was lost hears of it at once.
pub(crate) struct Client {
    /// Which server.
    to: String,
    client: async_nats::Client,
    answers: AtomicU64,
    signs: Arc<Signs>,
}

/// What the server and the client say beside their answers.
struct Signs {
    state: watch::Sender<State>,
    /// Of rights that are missing: who asked hears nothing else.
    refusals: broadcast::Sender<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Open,
    /// What is asked goes to another one, and so does what lasts. Whoever waits for an answer may still hear it.
    GivenUp,
    /// Nothing comes on it any more.
    Lost,
}

impl Signs {
    fn reach(&self, state: State) {
        self.state.send_if_modified(|now| {
            let moves = state > *now;
            *now = state.max(*now);
            moves
        });
    }

    fn hear(&self, event: Event) {
        match event {
            Event::Disconnected | Event::Closed => self.reach(State::Lost),
            Event::ServerError(ServerError::Other(said)) if said.starts_with("Permissions Violation") => {
                drop(self.refusals.send(said.into()));
            }
            _ => {}
        }
    }
}

impl Connector for Servers {
    type Connection = Client;
    type Failure = Failure;

    fn servers(&self) -> usize {
        self.count()
    }

    /// To be polled within the runtime.
    async fn connect(&self, place: usize) -> Result<Client, Failure> {
        let (address, options) = self.at(place).ok_or_else(Failure::unfit)?;
        let signs =
            Arc::new(Signs { state: watch::Sender::new(State::Open), refusals: broadcast::Sender::new(REFUSALS) });
        let heard = signs.clone();
        let options = options
            // It tries once more by itself when it is lost, and ends then. None of it is used.
            .max_reconnects(1)
            .ignore_discovered_servers()
            .request_timeout(None)
            .event_callback(move |event| {
                heard.hear(event);
                ready(())
            });
        let to = self.shown(place);
        match options.connect(address).await {
            // It has let this user in.
            Ok(client) => Ok(Client { to, client, answers: AtomicU64::new(1), signs }),
            Err(error) => Err(explain_opening(&to, &error)),
        }
    }

    fn late(&self, place: usize, _: TimedOut) -> Failure {
        Failure::late(&self.shown(place))
    }

    fn is_of_one_server(failure: &Failure) -> bool {
        failure.cause == Cause::Unreached
    }

    fn error(failure: &Failure) -> &StorageError {
        &failure.error
    }
}

impl link::Connection for Client {
    /// What comes by itself does not count: of half a connection it may be all that comes.
    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.signs.reach(State::GivenUp);
    }

    fn is_over(&self) -> bool {
        *self.signs.state.borrow() > State::Open
    }
}

impl Client {
    /// The server's, by its own account.
    pub(crate) fn version(&self) -> String {
        self.client.server_info().version
    }

    /// Asks, and waits for the answer for as long as it takes.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<Message, Failure> {
        if *self.signs.state.borrow() == State::Lost {
            return Err(Failure::unreached(&self.to));
        }
        let mut refusals = self.signs.refusals.subscribe();
        let mut request = Request::new().payload(ask.payload.clone().into()).timeout(None);
        request.headers.clone_from(&ask.headers);
        let answer = pin!(self.client.send_request(ask.subject.clone(), request));
        let refusal = pin!(async {
            loop {
                match refusals.recv().await {
                    Ok(said) if is_about(&said, &ask.subject) => return said,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => pending().await,
                }
            }
        });
        let lost = pin!(self.reaches(State::Lost));
        let answer = select(answer, select(refusal, lost)).await;
        if !matches!(answer, Either::Right((Either::Right(_), _))) {
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        match answer {
            Either::Left((Ok(message), _)) => Ok(message),
            Either::Left((Err(error), _)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => Failure::nobody(&ask.subject),
                RequestErrorKind::MaxPayloadExceeded => Failure::too_large(&error),
                RequestErrorKind::InvalidSubject => Failure::unfit(),
                RequestErrorKind::TimedOut | RequestErrorKind::Other => Failure::broken(&self.to),
            }),
            Either::Right((Either::Left((said, _)), _)) => Err(Failure::forbidden(&said)),
            Either::Right((Either::Right(_), _)) => Err(Failure::broken(&self.to)),
        }
    }

    /// A subject of this connection's own, and what comes there.
    pub(crate) async fn inbox(&self) -> Result<(String, Subscriber), Failure> {
        let inbox = self.client.new_inbox();
        let messages = self.client.subscribe(inbox.clone()).await.map_err(|_| Failure::broken(&self.to))?;
        Ok((inbox, messages))
    }

    /// Sends what nobody waits to be answered.
    pub(crate) async fn tell(&self, subject: String) {
        let _ = self.client.publish_with_reply(subject, self.client.new_inbox(), Vec::new().into()).await;
    }

    /// When it has broken, or is [given up](link::Connection::give_up).
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reaches(State::GivenUp)
    }

    fn reaches(&self, state: State) -> impl Future<Output = ()> + Send + 'static {
        let mut states = self.signs.state.subscribe();
        async move {
            let _ = states.wait_for(|now| *now >= state).await;
        }
    }
}

/// Whether a refusal is about what was published there. One of a subscription is about all: the answers would come there.
fn is_about(said: &str, subject: &str) -> bool {
    match said.split_once(" for Publish to ") {
        Some((_, refused)) => refused.trim_matches('"') == subject,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_for_who_asked() {
        let publish = "Permissions Violation for Publish to \"$KV.lessor.a\"";
        assert!(is_about(publish, "$KV.lessor.a"));
        assert!(!is_about(publish, "$KV.lessor.ab"));
        assert!(is_about("Permissions Violation for Subscription to \"_INBOX.x.*\"", "$KV.lessor.a"));
    }
}
