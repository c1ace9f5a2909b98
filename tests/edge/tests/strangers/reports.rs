//! What a leader's work goes to.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// What was taken: times, and terms.
pub(crate) type Reports = Arc<Mutex<Vec<(u64, u64)>>>;

/// What is written to, and refuses older terms.
pub(crate) fn reports() -> (String, Reports) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let reports = Reports::default();
    let taken = reports.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
            let Some((first, headers)) = head.split_first() else { continue };
            let time = first.strip_prefix("PUT /").and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
            let term = headers.iter().find_map(|line| line.strip_prefix("fencing-term: ")?.parse().ok()).unwrap();
            let mut taken = taken.lock().unwrap();
            let is_old = taken.iter().any(|(_, known)| *known > term);
            if !is_old {
                taken.push((time, term));
            }
            let status = if is_old { "409 Conflict" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (url, reports)
}
