//! A socket of `/v1/watch`, from its handshake to its end.

use std::sync::Arc;
use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use hyper::StatusCode;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use lessor_service::{Kind, Looker};
use lessor_wire::Problem;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::answer::{Answer, empty, overloaded};
use super::clock::now_ms;
use super::gate::Gate;
use super::heard::{Heard, Listened};
use super::hub::{Coming, Full, Place};
use super::meters;
use super::watching::Watching;

/// The most characters of a message: a thousand keys.
const LONGEST: usize = 512 * 1024;

/// A message may have so many bytes, and is told that it is too long. What is longer ends the socket.
const READ: usize = 4 * 1024 * 1024;

/// How many messages of a socket may wait for the one that is under way.
const WAITING: usize = 16;

/// How long a client may take to read a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// The code with which a socket is closed whose token has ended.
const EXPIRED: u16 = 4401;

/// The code with which a socket is closed from which nothing comes, also when it is asked whether it is still there.
const SILENT: u16 = 4408;

/// After how long it is worth trying again where there are too many.
const AGAIN_MS: u64 = 1_000;

/// The answer that opens a socket.
pub(crate) fn handshake(headers: &HeaderMap) -> Result<Answer, Problem> {
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let is_13 = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let Some(key) = key.filter(|_| is_13) else {
        return Err(Kind::UpgradeRequired.because("watch is a WebSocket of version 13, with a Sec-WebSocket-Key"));
    };
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let told = answer.headers_mut();
    told.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    told.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = derive_accept_key(key.as_bytes()).parse() {
        told.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|offered| offered.to_str().ok()).unwrap_or_default();
    if offered.split(',').any(|protocol| protocol.trim() == "lessor.v1") {
        told.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("lessor.v1"));
    }
    Ok(answer)
}

/// If there is room for it. It counts from here on: whoever is told that it is open counts on that.
pub(crate) fn admit(watching: &Watching, looker: &Looker) -> Result<(Place, Coming), Problem> {
    watching.hub.open(&looker.name, looker.sockets).map_err(|full| no_room(full, looker))
}

fn no_room(full: Full, looker: &Looker) -> Problem {
    match full {
        Full::OfToken => {
            let detail = format!("the token has {} sockets, and no more are allowed", looker.sockets);
            let mut problem = Kind::TooMany.because(detail);
            problem.retry_after_ms = Some(AGAIN_MS);
            problem
        }
        Full::OfServer => overloaded("there are too many sockets"),
    }
}

/// Serves it to its end: its client's, its token's, the settings' by which it was admitted, or the server's; or until nothing was read from it
/// for as long as `silence`.
pub(crate) async fn serve(
    watching: Arc<Watching>,
    looker: Looker,
    (place, coming): (Place, Coming),
    upgrade: OnUpgrade,
    silence: Duration,
    mut gates: watch::Receiver<Arc<Gate>>,
    mut ending: watch::Receiver<bool>,
) {
    let Ok(Ok(connection)) = timeout(PATIENCE, upgrade).await else { return };
    let config = WebSocketConfig::default().max_message_size(Some(READ)).max_frame_size(Some(READ));
    let heard = Heard::now();
    let connection = Listened::new(TokioIo::new(connection), heard.clone());
    let socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let _open = meters::Open::socket();
    let (answers, said) = mpsc::channel(1);
    let (asked, messages) = mpsc::channel(WAITING);
    let code = tokio::select! {
        code = read(&mut stream, asked, answers.clone()) => code,
        // Twice before it is over: one may be lost.
        code = talk(&mut sink, said, coming.changes, silence * 2 / 5) => code,
        () = answer(&watching, place.number, &looker, messages, answers) => None,
        Ok(code) = coming.end => Some(code),
        () = ends(looker.ends_ms) => Some(EXPIRED),
        () = heard.silent_for(silence) => Some(SILENT),
        _ = gates.changed() => Some(1012),
        _ = ending.wait_for(|ending| *ending) => Some(1001),
    };
    if let Some(code) = code {
        close(&mut sink, code).await;
    }
    drop(place);
    leave(&mut stream).await;
}

/// Reads on until the client has left. The protocol itself answers one that closes, when it is read from; and one that was closed, and talks yet,
/// would not hear why if its connection were cut.
async fn leave(stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) {
    let _ = timeout(GOODBYE, async { while let Some(Ok(_)) = stream.next().await {} }).await;
}

async fn close(sink: &mut (impl Sink<Message> + Unpin), code: u16) {
    meters::socket_closed(code);
    let reason = match code {
        EXPIRED => "the token has expired",
        SILENT => "nothing was heard for too long",
        1001 => "the server goes away",
        1008 => "too many messages at once",
        1009 => "the message is too long",
        1012 => "the settings have changed",
        _ => "",
    };
    let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) };
    let closed = async {
        let _ = sink.send(Message::Close(Some(frame))).await;
        let _ = sink.close().await;
    };
    let _ = timeout(GOODBYE, closed).await;
}

/// Reads messages; the code with which to close, or nothing where the client has gone.
async fn read(
    stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    asked: mpsc::Sender<String>,
    answers: mpsc::Sender<String>,
) -> Option<u16> {
    while let Some(message) = stream.next().await {
        let text = match message {
            Ok(Message::Text(text)) => text,
            Ok(Message::Binary(_)) => Utf8Bytes::default(),
            Ok(Message::Close(_)) => return None,
            Ok(_) => continue,
            Err(Error::Capacity(_)) => return Some(1009),
            Err(_) => return None,
        };
        if text == "ping" {
            if answers.send("pong".to_owned()).await.is_err() {
                return None;
            }
            continue;
        }
        let fits = text.len() <= LONGEST || text.encode_utf16().count() <= LONGEST;
        let text = if fits { text.as_str().to_owned() } else { String::new() };
        if asked.try_send(text).is_err() {
            return Some(1008);
        }
    }
    None
}

/// Sends what there is to say; and asks at these intervals whether somebody is there, which a client answers by the protocol itself.
async fn talk(
    sink: &mut (impl Sink<Message> + Unpin),
    mut answers: mpsc::Receiver<String>,
    mut changes: mpsc::Receiver<String>,
    every: Duration,
) -> Option<u16> {
    let mut pings = interval_at(Instant::now() + every, every);
    loop {
        let message = tokio::select! {
            Some(text) = answers.recv() => Message::text(text),
            Some(text) = changes.recv() => Message::text(text),
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        match timeout(PATIENCE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some(1008),
        }
    }
}

/// Answers messages, one after the other.
async fn answer(
    watching: &Arc<Watching>,
    number: u64,
    looker: &Looker,
    mut messages: mpsc::Receiver<String>,
    answers: mpsc::Sender<String>,
) {
    while let Some(text) = messages.recv().await {
        for said in watching.hear(number, looker, &text).await {
            if answers.send(said).await.is_err() {
                return;
            }
        }
    }
}

/// Until the token ends; for ever if it does not.
async fn ends(at_ms: u64) {
    if at_ms == 0 {
        return std::future::pending().await;
    }
    loop {
        let left_ms = at_ms.saturating_sub(now_ms());
        if left_ms == 0 {
            return;
        }
        // The wall clock may be set meanwhile.
        sleep(Duration::from_millis(left_ms.min(60_000))).await;
    }
}
