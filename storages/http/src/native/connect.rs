//! From a place to an open socket.

use core::net::SocketAddr;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use async_io::Async;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_rustls::pki_types::ServerName;
use lessor_kit::timeout::within;

use super::place::Place;
use super::socket::{Duplex, Socket};
use super::upgrade;
use crate::watch::Trouble;

/// The longest head of an answer, in bytes.
const HEAD: usize = 16 * 1024;

/// The longest message, in bytes. A lease with its value has less than a tenth of that.
const MESSAGE: usize = 512 * 1024;

/// A new connection.
pub(crate) async fn connect(place: &Place) -> Result<Socket, Trouble> {
    within(place.timeout, open(place)).await.unwrap_or(Err(Trouble::Passing))
}

async fn open(place: &Place) -> Result<Socket, Trouble> {
    let stream = dial(place).await?;
    let mut stream: Box<dyn Duplex> = match &place.tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::try_from(place.host.as_str()).map_err(|_| Trouble::Lasting)?.to_owned();
            Box::new(tls.connect(name, stream).await?)
        }
    };
    let authorization = place.token.newest().await.map_err(|_| Trouble::Passing)?;
    let early = ask(place, &authorization, &mut stream).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    Ok(Socket(WebSocketStream::from_partially_read(stream, early, Role::Client, Some(config)).await))
}

/// To the first of the host's addresses that answers, each with its share of the time.
async fn dial(place: &Place) -> io::Result<Async<TcpStream>> {
    let (host, port) = (place.host.to_string(), place.port);
    let found = blocking::unblock(move || (host, port).to_socket_addrs().map(Iterator::collect));
    let addresses: Vec<SocketAddr> = found.await?;
    let share = place.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = io::ErrorKind::NotFound.into();
    for address in addresses {
        match within(share, Async::<TcpStream>::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.get_ref().set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(timed_out) => failed = timed_out.into(),
        }
    }
    Err(failed)
}

/// Asks for a WebSocket: what of it came together with the answer.
async fn ask(
    place: &Place,
    authorization: &str,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Vec<u8>, Trouble> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|_| Trouble::Passing)?;
    let key = upgrade::key(nonce);
    stream.write_all(upgrade::request(place, authorization, &key).as_bytes()).await?;
    stream.flush().await?;
    let mut read = Vec::new();
    let mut part = [0; 2048];
    loop {
        let count = stream.read(&mut part).await?;
        read.extend_from_slice(part.get(..count).unwrap_or_default());
        let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if let Some(end) = end {
            let early = read.split_off(end + 4);
            return upgrade::accepted(&read, &key).map(|()| early);
        }
        if count == 0 {
            return Err(Trouble::Passing);
        }
        if read.len() > HEAD {
            return Err(Trouble::Lasting);
        }
    }
}
