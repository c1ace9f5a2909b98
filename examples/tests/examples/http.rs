//! Examples, and others, that answer over HTTP.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::program::Program;

/// Where it says that it serves.
#[track_caller]
pub(crate) fn address(program: &mut Program) -> String {
    let line = program.says("serves at ");
    line.rsplit([' ', '/']).next().unwrap().into()
}

/// Status and body.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    try_get(address, path).unwrap()
}

/// Of a server that may not be there yet. In a version of HTTP in which the body comes as it is.
pub(crate) fn try_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.into()))
}
