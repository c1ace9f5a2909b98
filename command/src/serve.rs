//! `lessor serve`: the lease service's HTTP API over any storage.
//!
//! Read in this order: `gate` (who is let in) with `signers` and `signature`, `known` (what is known of keys), `leases` (the storage),
//! `hub` and `watching` (who is told what), `socket`, `body`, `answer`, `origins`, `server` (a request), `tls`, `listen` (connections).

mod access_log;
mod answer;
mod body;
mod clock;
mod gate;
mod hub;
mod known;
mod leases;
mod listen;
mod meters;
mod origins;
mod server;
mod signature;
mod signers;
mod socket;
mod tls;
mod watching;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::future::BoxFuture;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::{Method, Request};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use self::access_log::{AccessLog, Format};
use self::answer::Answer;
use self::gate::{Gate, Sources};
use self::leases::Leases;
use self::listen::Listening;
use self::origins::Origins;
use self::server::Server;
use self::watching::Watching;
use crate::exit::Exit;
use crate::storage::{StorageArguments, not_opened};

/// Serve the leases of a storage over HTTP, to programs in any language
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    storage: StorageArguments,

    /// Where to listen. Without TLS that is an address of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,

    /// A file with the tokens, as JSON, instead of the variable LESSOR_TOKENS; those of LESSOR_TOKENS_NEXT are valid, too. Read anew on SIGHUP
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,

    /// A file that says whose signed tokens are taken, as JSON, instead of the variable LESSOR_ISSUERS. Read anew on SIGHUP
    #[arg(long, value_name = "FILE")]
    issuers: Option<PathBuf>,

    /// A file with the certificates for TLS, as PEM, the server's own first. Read anew on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// A file with the private key for TLS, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Listen without TLS where others can reach it: a proxy before it has the certificate
    #[arg(long)]
    plain_http: bool,

    /// Pages of this origin may read the answers, such as https://app.example.com; * is all of them. Can be said again
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,

    /// The shortest ttl of a claim, in ms [default: 1000]
    #[arg(long, value_name = "MS")]
    min_ttl_ms: Option<String>,

    /// The longest ttl of a claim, in ms [default: 3600000]
    #[arg(long, value_name = "MS")]
    max_ttl_ms: Option<String>,

    /// Where Prometheus finds /metrics, without a token
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,

    /// A line for each request, to the standard error
    #[arg(long, value_enum, default_value_t = Format::Text)]
    log: Format,

    /// How many connections are served at a time; the others wait
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    max_connections: u16,

    /// How many sockets may watch at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    max_sockets: u16,

    /// How often the keys that somebody watches are looked at, in ms: for changes by others of which the storage does not tell
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    look_every_ms: u64,

    /// How long what runs may take to end, on SIGTERM and SIGINT, in ms
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    grace_ms: u64,
}

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let usage = |what: String| Exit::Usage(what);
    let Arguments { listen, plain_http, .. } = arguments;
    let files = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    let files = files.map(|(certificates, key)| tls::Files { certificates, key });
    if files.is_none() && !listen.ip().is_loopback() && !plain_http {
        return Err(Exit::Usage(format!(
            "--listen is {listen}, where others can reach it, and there is no TLS: allowed is --tls-cert and --tls-key; an address of this \
             machine, such as 127.0.0.1:8787; or --plain-http, if a proxy before it has the certificate"
        )));
    }
    let origins = Origins::read(&arguments.origin).map_err(usage)?;
    let log = AccessLog::start(arguments.log);
    let sources = Sources {
        tokens: arguments.tokens.clone(),
        issuers: arguments.issuers.clone(),
        min_ttl_ms: arguments.min_ttl_ms.clone(),
        max_ttl_ms: arguments.max_ttl_ms.clone(),
    };
    let gate = Gate::open(&sources, &log).map_err(usage)?;
    let (acceptor, tls) = match &files {
        None => (None, None),
        Some(files) => {
            let (acceptor, tls) = watch::channel(files.read().map_err(usage)?);
            (Some(acceptor), Some(tls))
        }
    };
    let storage = arguments.storage.open().await?;

    let bound = |address: SocketAddr| async move {
        let listener = TcpListener::bind(address).await;
        listener.map_err(|error| Exit::Usage(format!("it cannot listen on {address}: {error}")))
    };
    let listener = bound(listen).await?;
    let metrics = match arguments.metrics_listen {
        None => None,
        Some(address) => Some((bound(address).await?, meters::start().map_err(Exit::failed)?)),
    };

    let (end, ends) = watch::channel(false);
    let (open, mut all_closed) = mpsc::channel(1);
    let (told, noted) = mpsc::unbounded_channel();
    let leases = Arc::new(Leases::new(storage, told, log.clone()));
    let every = Duration::from_millis(arguments.look_every_ms);
    let watching = Arc::new(Watching::new(leases.clone(), arguments.max_sockets.into(), every));
    let server = Arc::new(Server {
        gate: watch::Sender::new(Arc::new(gate)),
        sources,
        watching: watching.clone(),
        origins,
        log: log.clone(),
        storage: lessor_any::engine(&arguments.storage.storage).map_err(not_opened)?,
        ends: ends.clone(),
        ready: tokio::sync::Mutex::default(),
    });
    tokio::spawn(leases.watch_ends());
    tokio::spawn(watching.clone().tell_all(noted));
    tokio::spawn(watching.clone().look_around());

    let scheme = if files.is_some() { "https" } else { "http" };
    log.say(&format!("serves on {scheme}://{}", listener.local_addr().map_err(Exit::failed)?));
    let listening = Listening { tls, most: arguments.max_connections.into(), ends, open };
    if let Some((listener, handle)) = metrics {
        log.say(&format!("metrics are on http://{}/metrics", listener.local_addr().map_err(Exit::failed)?));
        let listening = Listening { tls: None, most: 16, ..listening.clone() };
        tokio::spawn(upkeep(handle.clone()));
        tokio::spawn(listen::serve(listener, listening, move |request| measured(handle.clone(), request)));
    }
    let of_requests = server.clone();
    // In a box: the compiler cannot tell of the future itself that it may go to another thread.
    let answer = move |request| -> BoxFuture<'static, Answer> { Box::pin(of_requests.clone().serve(request)) };
    tokio::spawn(listen::serve(listener, listening, answer));

    until_told_to_end(&server, files.as_ref().zip(acceptor.as_ref())).await?;
    log.say("ends");
    let _ = end.send(true);
    let closed = async {
        all_closed.recv().await;
        while !watching.hub.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let grace = Duration::from_millis(arguments.grace_ms);
    if timeout(grace, closed).await.is_err() {
        log.say("some requests or sockets did not end in time");
    }
    // The last lines.
    sleep(Duration::from_millis(20)).await;
    Ok(ExitCode::SUCCESS)
}

/// Reads the settings anew when it is told to; comes back when it is told to end.
async fn until_told_to_end(
    server: &Server,
    tls: Option<(&tls::Files, &watch::Sender<tokio_rustls::TlsAcceptor>)>,
) -> Result<(), Exit> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let of = |kind| signal(kind).map_err(Exit::failed);
        let (mut hangup, mut terminate) = (of(SignalKind::hangup())?, of(SignalKind::terminate())?);
        let mut interrupt = of(SignalKind::interrupt())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hangup.recv() => reload(server, tls),
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (server, tls);
        tokio::signal::ctrl_c().await.map_err(Exit::failed)
    }
}

/// What is wrong with new settings is said, and the old ones stay.
#[cfg(unix)]
fn reload(server: &Server, tls: Option<(&tls::Files, &watch::Sender<tokio_rustls::TlsAcceptor>)>) {
    let gate = server.gate.borrow().clone();
    match gate.reopen(&server.sources, &server.log) {
        Ok(None) => server.log.say("the settings are what they were"),
        Ok(Some(gate)) => {
            server.log.say("the settings were read anew");
            let _ = server.gate.send_replace(gate);
        }
        Err(error) => server.log.say(&format!("the settings stay what they were: {error}")),
    }
    match tls.map(|(files, acceptor)| files.read().map(|read| acceptor.send_replace(read))) {
        None => {}
        Some(Ok(_)) => server.log.say("the certificates were read anew"),
        Some(Err(error)) => server.log.say(&format!("the certificates stay what they were: {error}")),
    }
}

async fn measured(handle: PrometheusHandle, request: Request<Incoming>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => answer::plain(StatusCode::OK, handle.render()),
        (_, "/metrics") => answer::plain(StatusCode::METHOD_NOT_ALLOWED, "the method has to be GET\n"),
        _ => answer::plain(StatusCode::NOT_FOUND, "there is /metrics\n"),
    }
}

/// What was measured is put together at intervals, also where nobody reads it.
async fn upkeep(handle: PrometheusHandle) {
    loop {
        sleep(Duration::from_secs(5)).await;
        handle.run_upkeep();
    }
}
