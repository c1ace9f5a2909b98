//! The request that makes a connection a WebSocket (RFC 6455, section 4), and its answer.
//!
//! Written here because the WebSocket library would write the request, and with it the token, into the program's log.

use core::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::USER_AGENT;
use super::place::Place;
use crate::watch::Trouble;

/// What every server adds to a client's nonce.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// 16 random bytes, as they are sent.
pub(super) fn key(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

pub(super) fn request(place: &Place, authorization: &str, key: &str) -> String {
    let Place { path, authority, headers, .. } = place;
    let own: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\nauthorization: {authorization}\r\n\
         user-agent: {USER_AGENT}\r\n{own}\r\n"
    )
}

/// What a server makes of a key.
pub(crate) fn answer(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

/// Whether this answer, up to its empty line, makes the connection a WebSocket.
pub(super) fn accepted(head: &[u8], key: &str) -> Result<(), Trouble> {
    let head = str::from_utf8(head).map_err(|_| Trouble::Lasting)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    match status {
        Some(101) => {}
        Some(408 | 425 | 429 | 500..) => return Err(Trouble::Passing),
        _ => return Err(Trouble::Lasting),
    }
    let (mut upgrade, mut connection, mut accept) = (false, false, false);
    let expected = answer(key);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name {
            _ if name.eq_ignore_ascii_case("upgrade") => upgrade = value.eq_ignore_ascii_case("websocket"),
            _ if name.eq_ignore_ascii_case("connection") => {
                connection = value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
            }
            _ if name.eq_ignore_ascii_case("sec-websocket-accept") => accept = value == expected,
            _ => {}
        }
    }
    if upgrade && connection && accept { Ok(()) } else { Err(Trouble::Lasting) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and its answer are the example of RFC 6455, section 1.3.
    #[test]
    fn answers() {
        let key = key(*b"the sample nonce");
        assert_eq!(key, "dGhlIHNhbXBsZSBub25jZQ==");
        let good = "upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        for (head, verdict) in [
            (format!("HTTP/1.1 101 Switching Protocols\r\n{good}\r\n\r\n"), Ok(())),
            (format!("HTTP/1.1 101\r\nx\r\n{good}\r\n\r\n"), Ok(())),
            (format!("HTTP/1.1 101 \r\n{}\r\n\r\n", good.replace("s3p", "x3p")), Err(Trouble::Lasting)),
            (format!("HTTP/1.1 101 \r\n{}\r\n\r\n", good.replace("WebSocket\r", "h2c\r")), Err(Trouble::Lasting)),
            (format!("HTTP/1.1 101 \r\n{}\r\n\r\n", good.replace(", Upgrade", "")), Err(Trouble::Lasting)),
            (format!("HTTP/1.1 200 OK\r\n{good}\r\n\r\n"), Err(Trouble::Lasting)),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n".into(), Err(Trouble::Lasting)),
            ("HTTP/1.1 401 Unauthorized\r\n\r\n".into(), Err(Trouble::Lasting)),
            ("HTTP/1.1 429 Too Many Requests\r\n\r\n".into(), Err(Trouble::Passing)),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n".into(), Err(Trouble::Passing)),
            ("SSH-2.0-OpenSSH\r\n\r\n".into(), Err(Trouble::Lasting)),
            ("HTTP/1.1 é\r\n\r\n".into(), Err(Trouble::Lasting)),
            ("\r\n\r\n".into(), Err(Trouble::Lasting)),
        ] {
            assert_eq!(accepted(head.as_bytes(), &key), verdict, "{head}");
        }
        assert_eq!(accepted(b"HTTP/1.1 101 \xff\r\n\r\n", &key), Err(Trouble::Lasting));
    }
}
