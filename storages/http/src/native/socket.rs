//! An open WebSocket.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};

use crate::watch::{Heard, Trouble};

pub(crate) use async_tungstenite::tungstenite::protocol::frame::Utf8Bytes as Text;

pub(crate) struct Socket(pub(super) WebSocketStream<Box<dyn Duplex>>);

pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl Socket {
    /// Whether it could be sent.
    pub(crate) async fn send(&mut self, text: String) -> bool {
        self.0.send(Message::text(text)).await.is_ok()
    }

    pub(crate) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        Pin::new(&mut self.0).poll_next(cx).map(|heard| match heard {
            Some(Ok(Message::Text(text))) => Heard::Text(text),
            Some(Ok(_)) => Heard::Alive,
            Some(Err(_)) | None => Heard::Lost,
        })
    }

    /// It is over, whether that was said or not.
    pub(crate) async fn close(&mut self) {
        let _ = self.0.close(None).await;
    }
}

/// Names and certificates that do not fit stay so until somebody changes something.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::Lasting } else { Self::Passing }
    }
}
