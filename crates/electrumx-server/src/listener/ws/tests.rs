use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const REQUEST: &str = "GET /any/path HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nOrigin: null\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A masked frame, by hand.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A connection after its upgrade, and the client's end.
async fn connected(max: usize) -> (Messages<DuplexStream>, DuplexStream) {
    let (server, mut client) = duplex(1 << 20);
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    let messages = Messages::accept(server, max, CancellationToken::new()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    (messages, client)
}

async fn lines_of(frames: &[Vec<u8>]) -> String {
    let (mut messages, mut client) = connected(1000).await;
    for frame in frames {
        client.write_all(frame).await.unwrap();
    }
    client.write_all(&frame(0x88, &[])).await.unwrap();
    let mut lines = String::new();
    messages.read_to_string(&mut lines).await.unwrap();
    lines
}

#[tokio::test]
async fn each_message_is_a_line_however_it_comes() {
    for (frames, lines) in [
        (vec![frame(0x81, b"{}")], "{}\n"),
        (vec![frame(0x82, b"{}")], "{}\n"),
        (vec![frame(0x81, b"{}\n")], "{}\n"),
        (vec![frame(0x81, b"{}\r\n")], "{}\r\n"),
        (vec![frame(0x81, b"{}\n[]")], "{}\n[]\n"),
        (vec![frame(0x81, b"{\n}")], "{ }\n"),
        (vec![frame(0x81, b"")], "\n"),
        (vec![frame(0x81, b"a"), frame(0x81, b"b")], "a\nb\n"),
        (vec![frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c")], "abc\n"),
        (vec![frame(0x01, b"a"), frame(0x89, b"ping"), frame(0x80, b"c")], "ac\n"),
    ] {
        assert_eq!(lines_of(&frames).await, lines, "{frames:?}");
    }
}

#[tokio::test]
async fn pings_and_the_end_are_answered() {
    let (mut messages, mut client) = connected(1000).await;
    client.write_all(&frame(0x89, b"hi")).await.unwrap();
    client.write_all(&frame(0x88, &[])).await.unwrap();
    let mut rest = Vec::new();
    messages.read_to_end(&mut rest).await.unwrap();
    drop(messages);
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x8a, 2, b'h', b'i', 0x88, 0]);
}

#[tokio::test]
async fn answers_are_messages_and_long_ones_go_out_in_fragments() {
    let (mut messages, mut client) = connected(1000).await;
    messages.write_all(b"{}\n\n[").await.unwrap();
    messages.write_all(b"]").await.unwrap();
    messages.write_all(b"\n").await.unwrap();
    messages.flush().await.unwrap();
    let mut sent = vec![0; 11];
    client.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, b"\x81\x02{}\x01\x01[\x00\x01]\x80\x00"[..11]);

    let long = vec![b'x'; FRAGMENT + 1];
    messages.write_all(&long).await.unwrap();
    messages.write_all(b"\n").await.unwrap();
    messages.flush().await.unwrap();
    drop(messages);
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).await.unwrap();
    // The end of the message before, then two fragments and the end.
    let length = u16::try_from(FRAGMENT).unwrap().to_be_bytes();
    assert_eq!(sent[1..5], [0x01, 126, length[0], length[1]]);
    assert_eq!(sent[5 + FRAGMENT..], [0x00, 1, b'x', 0x80, 0]);
}

#[tokio::test]
async fn an_overlong_message_never_ends() {
    for frames in [
        vec![frame(0x81, &[b'x'; 1001])],
        vec![frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 600])],
    ] {
        let (mut messages, mut client) = connected(1000).await;
        for frame in frames {
            client.write_all(&frame).await.unwrap();
        }
        let mut read = vec![0; 5000];
        messages.read_exact(&mut read).await.unwrap();
        assert!(read.iter().all(|&byte| byte == b' '));
        messages.write_all(b"refused\n").await.unwrap();
        messages.shutdown().await.unwrap();
        let mut sent = Vec::new();
        client.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent[..9], *b"\x81\x07refused");
        assert_eq!(sent[9], 0x88);
        assert_eq!(sent[11..13], 1009_u16.to_be_bytes());
    }
}

#[tokio::test]
async fn what_is_no_websocket_is_refused() {
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "{}\n\n", "\x16\x03\x01\r\n\r\n"] {
        let (server, mut client) = duplex(1 << 16);
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let accepted = Messages::accept(server, 1000, CancellationToken::new()).await;
        assert!(accepted.is_err(), "{request}");
    }
    // Frames of clients are masked.
    let (mut messages, mut client) = connected(1000).await;
    client.write_all(b"\x81\x02{}").await.unwrap();
    assert!(messages.read_u8().await.is_err());
}
