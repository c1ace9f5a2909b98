//! The connection, with services that the tests play themselves.

use core::time::Duration;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use async_tungstenite::tungstenite::protocol::{Role, WebSocket};
use async_tungstenite::tungstenite::{Error, Message};
use futures::StreamExt;
use futures_rustls::rustls::pki_types::PrivateKeyDer;
use futures_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use lessor::{Key, Wakeups};
use lessor_kit::backoff::Backoff;
use lessor_kit::timeout::within;

use super::task::Rhythm;
use super::trouble::Trouble;
use super::{Place, Watch};
use crate::platform::{connect, connector, upgrade};
use crate::setup::Setup;
use crate::token::{Source, Token};

/// What has to happen happens within this time.
const PATIENCE: Duration = Duration::from_secs(20);

fn token() -> Arc<Token> {
    Arc::new(Token::new(Source::Fixed("t0ken".into()), PATIENCE).unwrap())
}

/// Listens, and hands on who comes.
struct Service {
    port: u16,
    coming: Receiver<TcpStream>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (came, coming) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                if came.send(stream).is_err() {
                    return;
                }
            }
        });
        Self { port, coming }
    }

    fn place(&self) -> Place {
        let uri = format!("http://127.0.0.1:{}", self.port).parse().unwrap();
        Place::new(&Setup::plain(uri, PATIENCE), token()).unwrap()
    }

    fn stream(&self) -> TcpStream {
        self.coming.recv_timeout(PATIENCE).unwrap()
    }

    fn socket(&self) -> Peer<TcpStream> {
        Peer::accept(self.stream())
    }

    fn nobody_comes(&self, within: Duration) {
        assert_eq!(self.coming.recv_timeout(within).unwrap_err(), RecvTimeoutError::Timeout);
    }
}

/// The service's end of a socket.
struct Peer<S>(WebSocket<S>);

impl<S: Read + Write> Peer<S> {
    fn accept(mut stream: S) -> Self {
        let head = head(&mut stream);
        assert!(head.starts_with("GET /v1/watch HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nauthorization: Bearer t0ken\r\n"), "{head}");
        let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        let answer = upgrade::answer(key);
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        write!(stream, "{head}Sec-WebSocket-Accept: {answer}\r\n\r\n").unwrap();
        Self(WebSocket::from_raw_socket(stream, Role::Server, None))
    }

    fn text(&mut self) -> Result<String, Error> {
        match self.0.read()? {
            Message::Text(text) => Ok(text.to_string()),
            Message::Close(_) => Err(Error::ConnectionClosed),
            message => panic!("{message}"),
        }
    }

    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// Expects that this key is asked for, and answers.
    fn serve(&mut self, number: u64, key: &str, lease: &str) {
        assert_eq!(self.text().unwrap(), format!("{{\"watch\":{{\"number\":{number},\"keys\":[\"{key}\"]}}}}"));
        self.say(&format!("{{\"state\":{{\"key\":\"{key}\",\"lease\":{lease}}}}}"));
        self.say(&format!("{{\"watched\":{{\"number\":{number},\"more\":false}}}}"));
    }

    /// Reads pings, not many of them, until the client goes.
    fn ends(&mut self) -> bool {
        for _ in 0..50 {
            match self.text() {
                Ok(text) => assert_eq!(text, "ping"),
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        false
    }
}

fn head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Never by itself.
const NEVER: Duration = Duration::from_secs(24 * 3600);

fn rhythm(heartbeat: Duration, silence: Duration) -> Rhythm {
    Rhythm { backoff: Backoff::new(Duration::from_millis(2), NEVER), heartbeat, silence }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn woken(wakeups: &mut Wakeups) {
    let woken = async_io::block_on(within(PATIENCE, wakeups.next()));
    assert_eq!(woken, Ok(Some(())), "a wake-up");
}

fn ended(watch: Watch) {
    let shared = Arc::downgrade(&watch.0);
    drop(watch);
    let over = async {
        while shared.strong_count() > 0 {
            async_io::Timer::after(Duration::from_millis(1)).await;
        }
    };
    assert!(async_io::block_on(within(PATIENCE, over)).is_ok(), "the thread ends");
}

const HELD: &str = r#"{"id":"a","term":1,"version":1,"ttl_ms":1000,"time_left_ms":1000,"value":null}"#;

/// One connection for all keys; it ends with the storage, whoever still waits.
#[test]
fn wakes() {
    let service = Service::start();
    let watch = Watch::with(service.place(), rhythm(NEVER, NEVER));
    let mut a = watch.subscribe(&key("a"));
    let mut peer = service.socket();
    peer.serve(1, "a", "null");
    woken(&mut a);
    let mut b = watch.subscribe(&key("b"));
    peer.serve(2, "b", HELD);
    woken(&mut b);
    peer.say(&format!(
        "{{\"change\":{{\"key\":\"a\",\"change\":\"granted\",\"id\":\"a\",\"term\":1,\"ago_ms\":0,\"lease\":{HELD}}}}}"
    ));
    woken(&mut a);
    ended(watch);
    assert!(peer.ends());
    service.nobody_comes(Duration::from_millis(50));
}

/// A connection without a sign of life is made anew; what is as it was wakes nobody, what is not does.
#[test]
fn a_silent_service() {
    let service = Service::start();
    let watch = Watch::with(service.place(), rhythm(Duration::from_millis(200), Duration::from_secs(2)));
    let mut a = watch.subscribe(&key("a"));
    let mut peer = service.socket();
    peer.serve(1, "a", "null");
    woken(&mut a);
    assert!(peer.ends());
    let mut peer = service.socket();
    peer.serve(2, "a", HELD);
    woken(&mut a);
}

/// Pings are answered, messages are not: that is no connection either.
#[test]
fn a_service_that_does_not_answer() {
    let service = Service::start();
    let watch = Watch::with(service.place(), rhythm(Duration::from_millis(20), NEVER));
    let _wakeups = watch.subscribe(&key("a"));
    let mut peer = service.socket();
    assert!(peer.text().unwrap().contains("watch"));
    while let Ok(text) = peer.text() {
        assert_eq!(text, "ping");
        peer.say("pong");
    }
    service.socket();
}

/// When nobody subscribes any more the connection is closed, and opened again for the next.
#[test]
fn nobody_subscribes() {
    let service = Service::start();
    let watch = Watch::with(service.place(), rhythm(Duration::from_millis(300), NEVER));
    let (a, mut b) = (watch.subscribe(&key("a")), watch.subscribe(&key("b")));
    let mut peer = service.socket();
    let mut said = peer.text().unwrap();
    if !said.contains("\"b\"") {
        peer.say("{\"watched\":{\"number\":1,\"more\":false}}");
        said = peer.text().unwrap();
    }
    let number = if said.contains(":1,") { 1 } else { 2 };
    peer.say("{\"state\":{\"key\":\"b\",\"lease\":null}}");
    peer.say(&format!("{{\"watched\":{{\"number\":{number},\"more\":false}}}}"));
    woken(&mut b);
    drop(a);
    let mut texts = core::iter::from_fn(|| peer.text().ok()).take(50);
    let unwatch = texts.find(|text| text != "ping").unwrap();
    assert_eq!(unwatch, format!("{{\"unwatch\":{{\"number\":{},\"keys\":[\"a\"]}}}}", number + 1));
    drop(b);
    assert!(peer.ends());
    let mut again = watch.subscribe(&key("c"));
    service.socket().serve(1, "c", "null");
    woken(&mut again);
    ended(watch);
}

/// A service that refuses is left alone for long, one that cannot just now is asked again.
#[test]
fn refusals() {
    let service = Service::start();
    let watch = Watch::with(service.place(), rhythm(NEVER, NEVER));
    let _wakeups = watch.subscribe(&key("a"));
    for (answer, again) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", true),
        ("HTTP/1.1 101 Switch", true),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", false),
    ] {
        let mut stream = service.stream();
        head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        drop(stream);
        if !again {
            service.nobody_comes(Duration::from_millis(300));
        }
    }
    ended(watch);
}

/// With TLS, if the certificate can be trusted.
#[test]
fn tls() {
    let service = Service::start();
    let certified = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let certificate = certified.cert.der().clone();
    let secret = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let server =
        ServerConfig::builder_with_provider(Arc::new(futures_rustls::rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert([certificate.clone()].into(), secret)
            .unwrap();
    let server = Arc::new(server);
    let url = format!("https://localhost:{}", service.port).parse().unwrap();
    let mut place = Place::new(&Setup::plain(url, PATIENCE), token()).unwrap();
    let accepted = |stream| StreamOwned::new(ServerConnection::new(server.clone()).unwrap(), stream);

    thread::scope(|scope| {
        let refused = scope.spawn(|| async_io::block_on(connect(&place)).err());
        let mut stream = accepted(service.stream());
        assert!(stream.read(&mut [0]).is_err(), "nothing is sent to who cannot be trusted");
        assert_eq!(refused.join().unwrap(), Some(Trouble::Lasting));
    });

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    place.tls = connector(roots);
    let watch = Watch::with(place, rhythm(NEVER, NEVER));
    let mut wakeups = watch.subscribe(&key("a"));
    let mut peer = Peer::accept(accepted(service.stream()));
    peer.serve(1, "a", "null");
    woken(&mut wakeups);
    ended(watch);
    assert!(peer.ends());
}
