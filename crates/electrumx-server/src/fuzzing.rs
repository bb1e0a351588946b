//! Parsers that connections meet first, for fuzz targets. Not a part of the API: anything may change here.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_util::sync::CancellationToken;

use crate::listener::fuzzing::{Messages, read_header};

/// Reads a PROXY header: the client it speaks for, if any, and how many bytes it has. `None` when it is malformed.
pub async fn proxy_header(bytes: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let mut input = bytes;
    let client = read_header(&mut input).await.ok()?;
    Some((client, bytes.len() - input.len()))
}

/// Takes a connection for a WebSocket that sends `upgrade`, and, if it is answered, `frames`, and then ends. Returns what
/// is sent back, and the bytes of the lines that came out, at most `max_read` of them; `None` when there was no upgrade.
pub async fn websocket(
    upgrade: &[u8],
    frames: &[u8],
    max_message: usize,
    max_read: usize,
) -> (Vec<u8>, Option<Vec<u8>>) {
    // All of it has room, so nobody waits for the other to read.
    let (server, mut client) = duplex(upgrade.len() + frames.len() + (1 << 16));
    let sending = async {
        let mut answer = Vec::new();
        let _ = client.write_all(upgrade).await;
        // Clients have to wait for the answer before they go on.
        while !frames.is_empty() && !answer.ends_with(b"\r\n\r\n") {
            let Ok(byte) = client.read_u8().await else { break };
            answer.push(byte);
        }
        let _ = client.write_all(frames).await;
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut answer).await;
        answer
    };
    let serving = async {
        let stop = CancellationToken::new();
        let messages = Messages::accept(server, max_message, stop).await.ok()?;
        let mut lines = Vec::new();
        let limit = u64::try_from(max_read).unwrap_or(u64::MAX);
        // An error ends the connection; what came before counts.
        let _ = messages.take(limit).read_to_end(&mut lines).await;
        Some(lines)
    };
    tokio::join!(sending, serving)
}
