//! A service behind something that wants to know who asks, such as Cloudflare Access: played by the test itself.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::ErrorKind;
use lessor::{Key, Storage};
use lessor_http::HttpStorage;

const PATIENCE: Duration = Duration::from_secs(20);

/// Lets in who has both headers, and says what was asked for.
fn start() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (came, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let came = came.clone();
            thread::spawn(move || drop(serve(stream, &came)));
        }
    });
    (url, asked)
}

fn serve(mut stream: TcpStream, came: &Sender<String>) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    loop {
        let lines: Vec<_> = head.by_ref().take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
        let Some(first) = lines.first() else { return Ok(()) };
        let has = |line: &str| lines.iter().any(|found| found == line);
        if has("cf-access-client-id: id.access") && has("cf-access-client-secret: s3cret") {
            let _ = came.send(first.clone());
            let about = "{\"role\": \"candidate\"}";
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{about}",
                about.len()
            )?;
        } else {
            let _ = came.send("refused".to_owned());
            let place = "https://team.cloudflareaccess.com/cdn-cgi/access/login/leases.example.com?kid=x&meta=s3cret";
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
}

/// Both headers go along with requests and with the socket; without them it is said what is missing.
#[test]
fn headers_let_in() {
    let (url, asked) = start();
    let builder = HttpStorage::builder(url).token("t0ken").header("CF-Access-Client-Id", "id.access");
    let error = block_on(builder.clone().build().unwrap().check()).unwrap_err();
    assert_eq!((error.kind(), &*asked.recv_timeout(PATIENCE).unwrap()), (ErrorKind::Permanent, "refused"));
    let said = format!("{error} {error:?}");
    assert!(said.contains("Cloudflare Access") && said.contains("CF-Access-Client-Secret"), "{said}");
    assert!(!said.contains("s3cret") && !said.contains("id.access"), "{said}");

    let storage = builder.header("CF-Access-Client-Secret", "s3cret").build().unwrap();
    assert!(!format!("{storage:?}").contains("s3cret"));
    block_on(storage.check()).unwrap();
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), "get /v1 http/1.1");
    let _wakeups = storage.subscribe(&Key::new("k").unwrap());
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), "get /v1/watch http/1.1");
}
