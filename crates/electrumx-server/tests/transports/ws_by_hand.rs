//! WebSocket without a library at the client's end: what is on the wire counts, not that two ends of one
//! library understand each other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::common::{GREETING, Setup, is_greeted, read_to_end, tcp};

/// The key and its answer are those of RFC 6455 §1.3.
const UPGRADE: &str = "GET /electrum HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn upgraded(setup: &Setup) -> Result<TcpStream> {
    let mut stream = tcp(setup.ws())?;
    stream.write_all(UPGRADE.as_bytes())?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.extend(byte);
    }
    let answer = String::from_utf8(answer)?;
    ensure!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
    ensure!(answer.to_lowercase().contains(accept), "{answer}");
    ensure!(!answer.to_lowercase().contains("sec-websocket-protocol"), "{answer}");
    Ok(stream)
}

/// A masked frame of less than 126 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).expect("it is short")];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Reads an unmasked frame: its first byte and what it holds.
fn read_frame(stream: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut length = usize::from(head[1]);
    if length == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long)?;
        length = usize::from(u16::from_be_bytes(long));
    }
    ensure!(length < 1 << 16 && head[1] < 127, "masked or overlong");
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    Ok((head[0], payload))
}

#[test]
fn frames_on_the_wire() {
    let setup = Setup::start(&[]).unwrap();
    let mut stream = upgraded(&setup).unwrap();
    // In three fragments with a ping between them, and byte by byte.
    let (a, rest) = GREETING.as_bytes().split_at(20);
    let (b, c) = rest.split_at(20);
    let frames = [frame(0x01, a), frame(0x89, b"?"), frame(0x00, b), frame(0x80, c)].concat();
    for byte in frames {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(read_frame(&mut stream).unwrap(), (0x8a, b"?".to_vec()));
    let (first, text) = read_frame(&mut stream).unwrap();
    assert_eq!(first, 0x81);
    assert!(is_greeted(&serde_json::from_slice::<Value>(&text).unwrap()));

    // Longer than a frame of ours: text, continued, to a last fragment.
    let batch = format!("[{}]\n", [r#"{"id":1,"method":"server.features"}"#; 3].join(","));
    for piece in batch.as_bytes().chunks(100) {
        let first = if piece.starts_with(b"[") { 0x01 } else { 0x00 };
        let last = if piece.ends_with(b"\n") { 0x80 } else { 0 };
        stream.write_all(&frame(first | last, piece)).unwrap();
    }
    let (first, text) = read_frame(&mut stream).unwrap();
    assert_eq!((first, text.last()), (0x81, Some(&b']')));

    // The client's close frame is echoed and the connection ended.
    stream.write_all(&frame(0x88, &[3, 0xe8])).unwrap();
    assert_eq!(read_to_end(&mut stream).unwrap(), [0x88, 2, 3, 0xe8]);

    // Against the rules: no mask, a reserved bit, a fragment of nothing.
    for bytes in [b"\x81\x02{}".to_vec(), frame(0xc1, b"{}"), frame(0x80, b"{}")] {
        let mut stream = upgraded(&setup).unwrap();
        stream.write_all(&bytes).unwrap();
        assert!(!read_to_end(&mut stream).unwrap().starts_with(&[0x81]), "{bytes:x?}");
    }
    // What is no upgrade.
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "{\"id\":1}\r\n\r\n"] {
        let mut stream = tcp(setup.ws()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(read_to_end(&mut stream).unwrap()).unwrap();
        assert!(!answer.contains(" 101 "), "{answer}");
    }
    setup.sessions_become("").unwrap();
}
