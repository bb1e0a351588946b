//! Bytes from a client.

use electrumx_protocol::RawValue;

use crate::served::answers;

/// A session never panics, and every line it answers is JSON.
///
/// # Panics
/// When it does, or one is not.
pub fn session(sent: &[u8]) {
    for line in answers(sent).split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = std::str::from_utf8(line).expect("answers are UTF-8");
        RawValue::from_string(line.to_owned()).expect("answers are JSON");
    }
}
