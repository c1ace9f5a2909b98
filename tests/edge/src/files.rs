//! A web server of files, for pages of an origin of their own.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// Serves the files of a folder on a free port of this machine, until the program ends.
#[derive(Clone, Debug)]
pub struct Files {
    port: u16,
    more: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Files {
    /// Those of this folder; `page` is what stands at `/`.
    pub fn serve(folder: impl Into<PathBuf>, page: &'static str) -> Self {
        let (folder, listener) = (folder.into(), TcpListener::bind("127.0.0.1:0").expect("there is a free port"));
        let port = listener.local_addr().expect("it is bound").port();
        let files = Self { port, more: Arc::default() };
        let more = files.more.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (folder, more) = (folder.clone(), more.clone());
                let find =
                    move |path: &str| more.lock().ok()?.get(path).cloned().or_else(|| fs::read(folder.join(path)).ok());
                // Whoever goes away early is not served.
                thread::spawn(move || answer(stream, find, page));
            }
        });
        files
    }

    /// With this beside them.
    pub fn with(self, name: &str, file: Vec<u8>) -> Self {
        self.more.lock().expect("nobody panics with it").insert(name.to_owned(), file);
        self
    }

    /// As a page names it, without a path.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer(mut stream: TcpStream, find: impl Fn(&str) -> Option<Vec<u8>>, page: &str) -> io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let first = head.next().unwrap_or_default();
    head.find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let found = match path {
        "" => Some(page.as_bytes().to_vec()),
        path => find(path).filter(|_| !path.contains("..")),
    };
    let (status, body) = found.map_or_else(|| ("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let kind = match path.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        _ => "text/html; charset=utf-8",
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}
