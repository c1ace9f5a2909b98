//! A socket of the service, as a client has it.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::Server;

/// A socket of `/v1/watch`.
#[derive(Debug)]
pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// Opened with this header.
    pub fn open(server: &dyn Server, header: &str, value: &str) -> Self {
        Self::try_open(server, header, value).unwrap_or_else(|status| panic!("it is answered with {status}"))
    }

    /// The same, or the status of the answer.
    ///
    /// # Errors
    /// There is no socket.
    pub fn try_open(server: &dyn Server, header: &str, value: &str) -> Result<Self, u16> {
        let address = server.url().trim_start_matches("http://").to_owned();
        let mut request = format!("ws://{address}/v1/watch").into_client_request().unwrap();
        request
            .headers_mut()
            .append(tungstenite::http::HeaderName::from_bytes(header.as_bytes()).unwrap(), value.parse().unwrap());
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opened with this token.
    pub fn of(server: &dyn Server, token: &str) -> Self {
        Self::open(server, "authorization", &format!("Bearer {token}"))
    }

    /// Says this.
    pub fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// Says this, if it is still open.
    pub fn try_say(&mut self, text: &str) {
        // Whoever is closed while it talks hears why when it listens.
        let _ = self.0.send(Message::text(text));
    }

    /// Says something that is no text, if it is still open.
    pub fn try_say_bytes(&mut self, bytes: Vec<u8>) {
        let _ = self.0.send(Message::binary(bytes));
    }

    /// Waits this long for a message, and not half a minute.
    pub fn be_patient(&mut self, patience: Duration) {
        self.0.get_ref().set_read_timeout(Some(patience)).unwrap();
    }

    /// Says something that is no text.
    pub fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.0.send(Message::binary(bytes)).unwrap();
    }

    /// The next message.
    pub fn hear(&mut self) -> Value {
        self.try_hear().unwrap_or_else(|code| panic!("it was closed with {code}"))
    }

    /// The next message, or the code with which it was closed; 1006 where there was none.
    ///
    /// # Errors
    /// It was closed.
    pub fn try_hear(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    return Ok(serde_json::from_str(&text).unwrap_or_else(|_| json!(text.as_str())));
                }
                Ok(Message::Close(frame)) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Ok(_) => {}
                Err(_) => return Err(1006),
            }
        }
    }

    /// Closes it with this code: the code of the answer, if there is one.
    pub fn close(&mut self, code: u16) -> Option<u16> {
        self.0.close(Some(CloseFrame { code: code.into(), reason: "".into() })).unwrap();
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// All messages up to and with the answer to what was said.
    pub fn ask(&mut self, text: &str) -> Vec<Value> {
        self.say(text);
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear());
            let last = heard.last().unwrap();
            if ["watched", "unwatched", "failed"].iter().any(|word| last.get(word).is_some()) {
                return heard;
            }
        }
    }
}
