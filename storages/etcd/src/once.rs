//! One connection, and no second.

use core::error::Error;
use core::fmt;
use core::task::{Context, Poll};

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::transport::Uri;

/// Opens one connection. Left to itself the client opens another as soon as that has ended, and again, without a pause, where the other
/// side hangs up on each. When and to whom to connect is known by the [`Link`](crate::link::Link).
pub(crate) struct Once {
    connector: HttpConnector,
    is_used: bool,
}

/// The connection has ended: what is asked of it now is not sent.
#[derive(Debug)]
pub(crate) struct Ended;

impl Once {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // That of https:// is put around it.
        connector.enforce_http(false);
        Self { connector, is_used: false }
    }
}

impl Service<Uri> for Once {
    type Response = TokioIo<TcpStream>;
    type Error = StdError;
    type Future = BoxFuture<TokioIo<TcpStream>, StdError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, place: Uri) -> Self::Future {
        if core::mem::replace(&mut self.is_used, true) {
            return Box::pin(async { Err(Ended.into()) });
        }
        let connects = self.connector.call(place);
        Box::pin(async { Ok(connects.await?) })
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection has ended")
    }
}

impl Error for Ended {}
