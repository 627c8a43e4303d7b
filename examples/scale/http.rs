//! As much HTTP as it takes to ask a program on this machine something.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// Gets a page of a program that listens on a port.
pub fn get(port: u16, path: &str) -> Result<String> {
    ask(port, "GET", path, "")
}

/// Sends it JSON.
pub fn post(port: u16, path: &str, body: &str) -> Result<String> {
    ask(port, "POST", path, body)
}

fn ask(port: u16, method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // In version 1.0 an answer ends with its connection, and comes in one piece.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, page) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "{method} {path}: {status}: {page}");
    Ok(page.to_owned())
}
