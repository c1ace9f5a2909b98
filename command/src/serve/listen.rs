//! Connections: how many, how long each may take to say what it wants, and how they end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::answer::Answer;
use super::meters;

/// How long a head may take to come, and how long a connection may be idle before it.
const HEAD: Duration = Duration::from_secs(75);
/// The longest head, in bytes: a token has 8 KiB at most, a path less than one.
const LONGEST_HEAD: usize = 32 * 1024;
const HEADERS: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After how long it is tried again to accept a connection where that failed: mostly there are too many files open.
const PAUSE: Duration = Duration::from_millis(100);

/// How to listen.
#[derive(Clone)]
pub(crate) struct Listening {
    /// Without it nothing is encrypted.
    pub(crate) tls: Option<watch::Receiver<TlsAcceptor>>,
    /// Of connections at a time. The others wait to be accepted.
    pub(crate) most: usize,
    pub(crate) ends: watch::Receiver<bool>,
    /// Each connection has one of these: when all are gone nothing is under way.
    pub(crate) open: mpsc::Sender<()>,
}

/// Serves connections until it ends: then none is accepted any more, and each answers what it was asked.
pub(crate) async fn serve<F, S>(listener: TcpListener, listening: Listening, answer: F)
where
    F: Fn(Request<Incoming>) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(listening.most));
    let mut ends = listening.ends.clone();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(connection, _)| (connection, place))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            _ = ends.wait_for(|ends| *ends) => return,
        };
        let Ok((connection, place)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let _ = connection.set_nodelay(true);
        let (listening, answer) = (listening.clone(), answer.clone());
        tokio::spawn(async move {
            let _open = (place, meters::Open::connection(), listening.open.clone());
            let acceptor = listening.tls.as_ref().map(|tls| tls.borrow().clone());
            match acceptor {
                None => converse(connection, &listening, answer).await,
                Some(acceptor) => {
                    if let Ok(Ok(connection)) = timeout(HANDSHAKE, acceptor.accept(connection)).await {
                        converse(connection, &listening, answer).await;
                    }
                }
            }
        });
    }
}

async fn converse<F, S>(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    listening: &Listening,
    answer: F,
) where
    F: Fn(Request<Incoming>) -> S,
    S: Future<Output = Answer>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(HEADERS).max_header_size(LONGEST_HEAD);
    let mut served = pin!(http.serve_connection(TokioIo::new(connection), service).with_upgrades());
    let mut ends = listening.ends.clone();
    tokio::select! {
        _ = served.as_mut() => return,
        _ = ends.wait_for(|ends| *ends) => served.as_mut().graceful_shutdown(),
    }
    // A client that does not go on is nobody's trouble: the server waits no longer than it was told to.
    let _ = served.await;
}
