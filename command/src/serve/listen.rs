//! Connections: how many, how long each may take to say what it wants, and how they end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
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

use super::access_log::AccessLog;
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
    pub(crate) log: AccessLog,
}

/// Serves connections until it ends: then none is accepted any more, and each answers what it was asked.
pub(crate) async fn serve<F, S>(listener: TcpListener, listening: Listening, answer: F)
where
    F: Fn(Request<Incoming>, IpAddr) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(listening.most));
    let mut ends = listening.ends.clone();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(connection, peer)| (connection, peer.ip(), place))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            _ = ends.wait_for(|ends| *ends) => return,
        };
        let (connection, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                let kind = Unaccepted::of(&error);
                meters::not_accepted(kind.word());
                // Of a client that has gone the next may have come already.
                if kind != Unaccepted::Gone {
                    listening
                        .log
                        .say_once_a_second(&format!("a connection cannot be accepted: {error}{}", kind.remedy()));
                    sleep(PAUSE).await;
                }
                continue;
            }
        };
        let _ = connection.set_nodelay(true);
        let (listening, answer) = (listening.clone(), answer.clone());
        tokio::spawn(async move {
            let _open = (place, meters::Open::connection(), listening.open.clone());
            let acceptor = listening.tls.as_ref().map(|tls| tls.borrow().clone());
            match acceptor {
                None => converse(connection, peer, &listening, answer).await,
                Some(acceptor) => {
                    if let Ok(Ok(connection)) = timeout(HANDSHAKE, acceptor.accept(connection)).await {
                        converse(connection, peer, &listening, answer).await;
                    }
                }
            }
        });
    }
}

/// Why a connection was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unaccepted {
    /// Its client had gone before.
    Gone,
    /// Too many files are open.
    Files,
    Other,
}

impl Unaccepted {
    fn of(error: &io::Error) -> Self {
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            if Errno::from_io_error(error).is_some_and(|error| error == Errno::MFILE || error == Errno::NFILE) {
                return Self::Files;
            }
        }
        let is_gone = matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
        if is_gone { Self::Gone } else { Self::Other }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Files => "files",
            Self::Other => "other",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Files => {
                ": raise the limit (LimitNOFILE= of systemd, ulimit -n of a shell), or lower --max-connections and --max-sockets"
            }
            Self::Gone | Self::Other => "",
        }
    }
}

async fn converse<F, S>(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: IpAddr,
    listening: &Listening,
    answer: F,
) where
    F: Fn(Request<Incoming>, IpAddr) -> S,
    S: Future<Output = Answer>,
{
    let service = service_fn(|request| {
        let answered = answer(request, peer);
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
