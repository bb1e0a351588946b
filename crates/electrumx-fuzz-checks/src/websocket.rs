//! The WebSocket upgrade, and the frames behind it.

use electrumx_server::fuzzing;

use crate::served::block_on;

/// A right upgrade, for inputs that are about frames.
const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// Longest message.
const MAX_MESSAGE: usize = 1000;
/// More lines than that are not read: an overlong message never ends.
const MAX_READ: usize = 1 << 16;

/// Bytes that do not begin with 0xff are a connection's; otherwise they follow a right upgrade. There is an upgrade or
/// a refusal in HTTP, and lines come only out of whole messages.
///
/// # Panics
/// When it is otherwise.
pub fn websocket(data: &[u8]) {
    let is_right = data.first() == Some(&0xff);
    let (upgrade, frames) = if is_right { (UPGRADE, &data[1..]) } else { (data, &[][..]) };
    let (answer, lines) = block_on(fuzzing::websocket(upgrade, frames, MAX_MESSAGE, MAX_READ));
    let is_upgraded = answer.starts_with(b"HTTP/1.1 101 ");
    assert_eq!(is_upgraded, lines.is_some());
    assert!(is_upgraded || !is_right, "a right upgrade is refused");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    let Some(lines) = lines else { return };
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        // What never ends is a message that was too long.
        let is_whole = line.ends_with(b"\n");
        assert!(is_whole || lines.len() == MAX_READ, "half a line: {line:?}");
        assert!(!is_whole || line.len() <= MAX_MESSAGE + 1, "too long: {line:?}");
    }
}
