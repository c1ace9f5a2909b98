//! Requests that nobody should send: each gets a clear answer, and no lease is harmed.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::{ADMIN, CANDIDATE, Config, Server, Start, TEAM};

const REQUESTS: u32 = 10_000;

/// A small generator: what was sent can be sent again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % sides as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.roll(40)).map(|_| self.roll(256) as u8).collect()
    }

    fn key(&mut self) -> String {
        match self.roll(8) {
            0 => self
                .pick(&["", ".", "..", "%", "%zz", "%00", "%ff%fe", "__proto__", "constructor", "%2F%2F", "a%0Ab"])
                .into(),
            1 => "k".repeat(self.roll(600)),
            2 => self.bytes().iter().map(|byte| format!("%{byte:02X}")).collect(),
            3 => self
                .pick(&["%F0%9F%94%92", "%ED%A0%80", "%C0%AF", "team-a%2Fx", "..%2F..%2Fvictim", "victim%00"])
                .into(),
            _ => format!("hostile-{}", self.roll(20)),
        }
    }

    fn number(&mut self) -> &'static str {
        self.pick(&[
            "0",
            "1",
            "-1",
            "1.5",
            "1e3",
            "1e309",
            "-0",
            "999",
            "1000",
            "3600000",
            "3600001",
            "9007199254740991",
            "9007199254740993",
            "18446744073709551616",
            "null",
            "\"1000\"",
            "[]",
            "{}",
            "true",
            "NaN",
            "01",
        ])
    }

    fn text(&mut self) -> String {
        match self.roll(6) {
            0 => "\"\"".into(),
            1 => format!("\"{}\"", "x".repeat(self.roll(6000))),
            2 => self
                .pick(&["null", "1", "[]", "{\"a\": 1}", "\"\\u0000\"", "\"\\ud800\"", "\"<script>\"", "\"\u{202e}\""])
                .into(),
            _ => "\"node\"".into(),
        }
    }

    fn claim(&mut self) -> String {
        let session = match self.roll(5) {
            0 => self
                .pick(&[
                    "\"\"",
                    "\"0\"",
                    "null",
                    "0",
                    "\"+0000000000000000000000000000000\"",
                    "\"ffffffffffffffffffffffffffffffff\"",
                ])
                .into(),
            _ => format!("\"{:032x}\"", self.roll(1000)),
        };
        let mut fields = vec![
            ("id", self.text()),
            ("session", session),
            ("ttl_ms", self.number().to_owned()),
            ("value", self.text()),
            ("after", self.number().to_owned()),
            (
                "takeover",
                self.pick(&["\"expired\"", "{\"unchanged\": 1}", "\"never\"", "{}", "7", "{\"unchanged\": -1}"])
                    .to_owned(),
            ),
            ("term", self.number().to_owned()),
            ("__proto__", "{\"admin\": true}".to_owned()),
            ("surprise", "1".to_owned()),
        ];
        fields.retain(|_| self.roll(3) > 0);
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    }

    fn body(&mut self) -> Vec<u8> {
        match self.roll(10) {
            0 => Vec::new(),
            1 => self.bytes(),
            2 => self
                .pick(&[
                    "{",
                    "[",
                    "null",
                    "\"\"",
                    "[[[[[[[[[[[[]]]]]]]]]]]]",
                    "{\"a\":{\"a\":{\"a\":{}}}}",
                    "\u{feff}{}",
                    "//",
                ])
                .into(),
            3 if self.roll(4) == 0 => " ".repeat(500_000 + self.roll(100_000)).into_bytes(),
            3 => format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes(),
            4 => {
                let asks = (0..self.roll(300))
                    .map(|_| format!("{{\"acquire\": {{\"key\": {}, \"claim\": {}}}}}", self.text(), self.claim()));
                let asks: Vec<_> = asks.collect();
                format!("[{}]", asks.join(",")).into_bytes()
            }
            5 => format!(
                "[{{\"{}\": {}}}]",
                self.pick(&["get", "acquire", "renew", "release", "revoke", "run"]),
                self.claim()
            )
            .into_bytes(),
            _ => self.claim().into_bytes(),
        }
    }

    /// A whole request: head and body.
    fn request(&mut self) -> Vec<u8> {
        let method = self.pick(&["POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]);
        let path = match self.roll(6) {
            0 => self
                .pick(&[
                    "/",
                    "/v1",
                    "/v1/",
                    "/v2",
                    "/v1/batch",
                    "/v1/keys",
                    "/v1/watch",
                    "//",
                    "/v1//keys",
                    "/?a=b",
                    "/favicon.ico",
                ])
                .to_owned(),
            1 => format!("/v1/keys?prefix={}&after={}&limit={}&x=%", self.key(), self.key(), self.number()),
            2 => "/v1/batch".to_owned(),
            _ => {
                let operation = self.pick(&[
                    "",
                    "/acquire",
                    "/acquire",
                    "/renew",
                    "/release",
                    "/revoke/",
                    "/history",
                    "/run",
                    "/acquire/x",
                ]);
                format!("/v1/keys/{}{operation}", self.key())
            }
        };
        // Mostly one that is known there: what lies behind is to be met, too.
        let known = match path.rsplit('/').next() {
            _ if self.roll(4) == 0 => method,
            Some("acquire" | "renew" | "release" | "batch") => "POST",
            _ => "GET",
        };
        let method = if method == "HEAD" { method } else { known };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        let token = match self.roll(12) {
            0 => String::new(),
            1 if self.roll(2) == 0 => {
                self.pick(&["Bearer", "Bearer ", "Basic YTpi", "bearer null", "Bearer  x", "Bearer\t"]).to_owned()
            }
            2 => format!("Bearer {TEAM}"),
            _ => format!("Bearer {CANDIDATE}"),
        };
        head += &format!("Authorization: {token}\r\n");
        let media_type = match self.roll(8) {
            0 => self.pick(&[
                "text/plain",
                "",
                ";",
                "application/json; charset=utf-16",
                "multipart/form-data; boundary=x",
            ]),
            _ => "application/json",
        };
        head += &format!("Content-Type: {media_type}\r\n");
        if self.roll(8) == 0 {
            head += self.pick(&[
                "Lessor-Caller: {\"role\": \"admin\"}\r\n",
                "Upgrade: websocket\r\n",
                "X-Forwarded-For: 127.0.0.1\r\n",
                "Sec-WebSocket-Protocol: lessor.v1, lessor.bearer.%zz\r\n",
                "Cookie: a=b\r\n",
                "Content-Encoding: gzip\r\n",
            ]);
        }
        let body = if matches!(method, "GET" | "HEAD") { Vec::new() } else { self.body() };
        let mut request = if self.roll(10) == 0 && !body.is_empty() {
            let mut request = (head + "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
            request.extend(format!("{:x}\r\n", body.len()).bytes());
            request.extend(body);
            request.extend(b"\r\n0\r\n\r\n");
            return request;
        } else {
            format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes()
        };
        request.extend(body);
        request
    }
}

/// Sends it on a kept connection, or a new one: the status, and the body.
fn send(connection: &mut Option<TcpStream>, server: &dyn Server, request: &[u8]) -> (u16, String) {
    let head = request.starts_with(b"HEAD");
    let mut stream = connection
        .take()
        .unwrap_or_else(|| TcpStream::connect(server.url().trim_start_matches("http://")).expect("it listens"));
    stream.write_all(request).expect("it is sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).expect("an answer");
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((lines, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "cut off: {text}");
            continue;
        };
        let lines_low = lines.to_lowercase();
        let length =
            lines_low.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        let chunked = lines_low.contains("transfer-encoding: chunked");
        let whole = head
            || count == 0
            || length.is_some_and(|length| body.len() >= length)
            || chunked && body.ends_with("0\r\n\r\n");
        if whole {
            let status = lines.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            if count > 0 && !lines_low.contains("connection: close") && status != 101 {
                *connection = Some(stream);
            }
            return (status, body.to_owned());
        }
    }
}

/// None of them harms a lease, and each is answered.
pub fn ten_thousand_hostile_requests(start: &Start) {
    let server = start(&Config::default());
    let claim = "{\"id\": \"victim\", \"session\": \"abcdefabcdefabcdefabcdefabcdefab\", \"ttl_ms\": 3600000}";
    assert_eq!(server.call("POST", "/v1/keys/victim/acquire", Some(CANDIDATE), Some(claim)).status, 200);
    let before = server.call("GET", "/v1/keys/victim", Some(ADMIN), None).json()["lease"]["version"].clone();

    let seed = getrandom::u64().unwrap();
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut connection = None;
    let mut statuses = std::collections::BTreeMap::new();
    for number in 0..REQUESTS {
        let request = dice.request();
        let (status, body) = send(&mut connection, &server, &request);
        let shown = || String::from_utf8_lossy(&request[..request.len().min(2000)]).into_owned();
        assert!(status < 500, "seed {seed}, request {number}: {status} {body}\n{}", shown());
        assert!(!body.contains("abcdefabcdef"), "a session was shown to\n{}", shown());
        *statuses.entry(status).or_insert(0) += 1;
    }
    println!("{statuses:?}");
    for expected in [200, 400, 401, 403, 404, 405, 413, 415] {
        assert!(statuses.contains_key(&expected), "never {expected}: {statuses:?}");
    }
    let lease = server.call("GET", "/v1/keys/victim", Some(ADMIN), None).json()["lease"].clone();
    assert_eq!((&lease["id"], &lease["term"], &lease["version"]), (&"victim".into(), &1.into(), &before));
    let renewal = claim.replace('}', ", \"term\": 1}");
    let renewed = server.call("POST", "/v1/keys/victim/renew", Some(CANDIDATE), Some(&renewal)).json();
    assert!(renewed["extended"].is_object(), "{renewed}");
}
