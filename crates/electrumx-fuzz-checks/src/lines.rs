//! The line splitter.

use electrumx_protocol::fuzzing::split_lines;

/// Lines are the same however they arrive. The first byte is the longest line allowed, the second the size of the
/// pieces.
///
/// # Panics
/// When they are not.
pub fn lines(data: &[u8]) {
    let [max_len, piece, stream @ ..] = data else { return };
    let (max_len, piece) = (usize::from(*max_len), usize::from(*piece) + 1);
    let (found, is_whole) = split_lines(&stream.chunks(piece).collect::<Vec<_>>(), max_len);
    // The plain way, with all of it at hand. What follows the last line end is no line yet.
    let mut plain: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let rest = plain.pop().unwrap_or_default();
    let fitting = plain.iter().take_while(|line| line.len() <= max_len).count();
    assert_eq!(found, plain[..fitting]);
    let is_too_long = fitting < plain.len() || rest.len() > max_len;
    assert_eq!(is_whole, !is_too_long);
}
