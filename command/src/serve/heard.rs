//! A connection that knows when something was read from it last: whoever is gone without a word is found out by that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::known::milliseconds;

/// When something was read last.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    began: Instant,
    /// After `began`, in ms.
    last_ms: Arc<AtomicU64>,
}

impl Heard {
    pub(super) fn now() -> Self {
        Self { began: Instant::now(), last_ms: Arc::default() }
    }

    fn note(&self) {
        self.last_ms.store(milliseconds(self.began.elapsed()), Ordering::Relaxed);
    }

    /// Until nothing was read for so long.
    pub(super) async fn silent_for(&self, time: Duration) {
        loop {
            let last = self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            if last.elapsed() >= time {
                return;
            }
            sleep_until(last + time).await;
        }
    }
}

#[derive(Debug)]
pub(super) struct Listened<S> {
    connection: S,
    heard: Heard,
}

impl<S> Listened<S> {
    pub(super) fn new(connection: S, heard: Heard) -> Self {
        Self { connection, heard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.heard.note();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
