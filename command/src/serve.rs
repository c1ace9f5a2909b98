//! `lessor serve`: the lease service's HTTP API over any storage.
//!
//! Read in this order: `arguments`, `gate` (who is let in) with `signers` and `signature`, `known` (what is known of keys), `leases` (the
//! storage), `hub` and `watching` (who is told what), `heard`, `socket`, `body`, `answer`, `origins`, `ready`, `server` (a request), `tls`, `files`, `listen`
//! (connections), `signals`.

mod access_log;
mod answer;
mod arguments;
mod body;
mod clock;
mod files;
mod gate;
mod heard;
mod hub;
mod known;
mod leases;
mod listen;
mod meters;
mod origins;
mod ready;
mod server;
mod signals;
mod signature;
mod signers;
mod socket;
mod tls;
mod watching;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::{Method, Request};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::access_log::AccessLog;
use self::answer::Answer;
pub(crate) use self::arguments::Arguments;
use self::gate::{Gate, Sources};
use self::leases::Leases;
use self::listen::Listening;
use self::origins::Origins;
use self::server::Server;
use self::signals::{Signals, Told};
use self::watching::Watching;
use crate::exit::Exit;
use crate::storage::not_opened;

pub(crate) async fn perform(arguments: Arguments) -> Result<ExitCode, Exit> {
    let mut signals = Signals::listen().map_err(Exit::failed)?;
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
    let storage = tokio::select! {
        opened = arguments.storage.open() => opened?,
        () = signals.end() => {
            log.say("ends");
            log.written().await;
            return Ok(ExitCode::SUCCESS);
        }
    };

    let listener = bound("--listen", listen).await?;
    let metrics = match arguments.metrics_listen {
        None => None,
        Some(address) => Some((bound("--metrics-listen", address).await?, meters::start().map_err(Exit::failed)?)),
    };
    let too_few_files = files::make_room(arguments.max_connections, arguments.max_sockets);

    let ((end, ends), (drain, drains)) = (watch::channel(false), watch::channel(false));
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
        silence: Duration::from_millis(arguments.max_silence_ms),
        ends: ends.clone(),
        drains,
        ready: tokio::sync::Mutex::default(),
    });
    tokio::spawn(leases.watch_ends());
    tokio::spawn(watching.clone().tell_all(noted));
    tokio::spawn(watching.clone().look_around());

    let scheme = if files.is_some() { "https" } else { "http" };
    log.say(&format!("serves on {scheme}://{}", listener.local_addr().map_err(Exit::failed)?));
    if let Some(too_few_files) = too_few_files {
        log.say(&too_few_files);
    }
    let listening = Listening { tls, most: arguments.max_connections.into(), ends, open, log: log.clone() };
    if let Some((listener, handle)) = metrics {
        log.say(&format!("metrics are on http://{}/metrics", listener.local_addr().map_err(Exit::failed)?));
        let listening = Listening { tls: None, most: 16, ..listening.clone() };
        tokio::spawn(upkeep(handle.clone()));
        tokio::spawn(listen::serve(listener, listening, move |request, _| measured(handle.clone(), request)));
    }
    let of_requests = server.clone();
    // In a box: the compiler cannot tell of the future itself that it may go to another thread.
    let answer =
        move |request, peer| -> BoxFuture<'static, Answer> { Box::pin(of_requests.clone().serve(request, peer)) };
    tokio::spawn(listen::serve(listener, listening, answer));

    until_told_to_end(&mut signals, &server, files.as_ref().zip(acceptor.as_ref())).await;
    let _ = drain.send(true);
    if arguments.drain_ms > 0 {
        log.say(&format!("is not ready any more, and ends in {} ms", arguments.drain_ms));
        // Whoever says it again does not want to wait.
        let _ = timeout(Duration::from_millis(arguments.drain_ms), signals.end()).await;
    }
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
    log.written().await;
    Ok(ExitCode::SUCCESS)
}

async fn bound(option: &str, address: SocketAddr) -> Result<TcpListener, Exit> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        Exit::Usage(format!("{option} is {address}, where it cannot listen: {error}; allowed is an address of this machine with a free port"))
    })
}

/// Reads the settings anew when it is told to; comes back when it is told to end.
async fn until_told_to_end(
    signals: &mut Signals,
    server: &Server,
    tls: Option<(&tls::Files, &watch::Sender<TlsAcceptor>)>,
) {
    loop {
        match signals.next().await {
            Told::End => return,
            #[cfg(unix)]
            Told::Reload => reload(server, tls),
        }
    }
}

/// What is wrong with new settings is said, and the old ones stay.
#[cfg(unix)]
fn reload(server: &Server, tls: Option<(&tls::Files, &watch::Sender<TlsAcceptor>)>) {
    let gate = server.gate.borrow().clone();
    match gate.reopen(&server.sources, &server.log) {
        Ok(None) => server.log.say("the settings are what they were"),
        Ok(Some(gate)) => {
            let _ = server.gate.send_replace(gate);
            // Whoever reads this may count on it.
            server.log.say("the settings were read anew");
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
        (&Method::GET | &Method::HEAD, "/metrics") => answer::plain(StatusCode::OK, handle.render()),
        (_, "/metrics") => answer::only_to_read(),
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
