//! Examples that answer over HTTP.

use std::io::{Read, Write};
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
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.into())
}
