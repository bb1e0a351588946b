//! Padding against traffic analysis: what is sent has few lengths, and few moments.
//!
//! The rules are those of `ElectrumX` since 1.18 and Electrum since 4.6 (`PaddedRSTransport`), but for the time that small messages are
//! held: a second there, [`HOLD`] here. Spaces go before a closing bracket, where JSON allows them.

use std::time::Duration;

use crate::peer::Transport;

/// How long small messages wait for others after the last packet.
pub(crate) const HOLD: Duration = Duration::from_millis(50);

/// Smallest packet, in bytes. Nothing is held before so much is sent, so that the first requests are quick.
pub(crate) const MIN_PACKET: usize = 1024;

/// On which connections answers are padded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Padding {
    /// On none.
    #[default]
    Off,
    /// On those over TLS; without encryption everybody can read the answers themselves.
    Tls,
    /// On those over TCP, too, as `ElectrumX` does, where a tunnel or a proxy encrypts them.
    All,
}

impl Padding {
    /// Tells whether it is meant for connections of this kind. WebSocket frames are never padded.
    pub(crate) const fn applies_to(self, transport: Transport) -> bool {
        match self {
            Self::Off => false,
            Self::Tls => matches!(transport, Transport::Tls),
            Self::All => matches!(transport, Transport::Tls | Transport::Tcp),
        }
    }
}

/// Makes a packet of what begins at `start`, which must not be empty: pads it, and returns where it ends and how many spaces there
/// are in it.
///
/// It is all there is, padded to the next power of two, or the whole messages that fit into half of that, whichever has less
/// padding; at the end (`is_last`) all there is.
pub(crate) fn make_packet(bytes: &mut Vec<u8>, start: usize, is_last: bool) -> (usize, usize) {
    let waiting = bytes.len() - start;
    // A power of two doubles, too.
    let large = (waiting + 1).next_power_of_two().max(MIN_PACKET);
    let half = large / 2;
    let fitting = if is_last || half < MIN_PACKET {
        None
    } else {
        bytes[start..start + half.min(waiting)].iter().rposition(|byte| *byte == b'\n')
    };
    let whole = fitting.map_or(0, |end| end + 1);
    let (length, size) =
        if whole > 0 && half - whole < large - waiting { (whole, half) } else { (waiting, large) };
    let (end, spaces) = (start + length, size - length);
    // A message that is sent in parts is cut behind the bracket of a list's element.
    let bracket = end - 1 - usize::from(bytes[end - 1] == b'\n' && length > 1);
    if !matches!(bytes[bracket], b'}' | b']') {
        return (end, 0);
    }
    bytes.splice(bracket..bracket, std::iter::repeat_n(b' ', spaces));
    (end + spaces, spaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of so many bytes, line end included.
    fn message(length: usize) -> Vec<u8> {
        let mut message = b"{\"id\":\"".to_vec();
        message.resize(length - 3, b'x');
        message.extend_from_slice(b"\"}\n");
        message
    }

    #[test]
    fn packets_are_powers_of_two_as_in_the_protocol_document() {
        for (length, padded) in
            [(10, 1024), (1023, 1024), (1025, 2048), (2047, 2048), (5000, 8192), (4096, 8192)]
        {
            let mut bytes = message(length);
            assert_eq!(make_packet(&mut bytes, 0, true), (padded, padded - length), "{length}");
            assert_eq!(bytes.len(), padded);
            let (original, line) = (message(length), bytes.strip_suffix(b"\n").unwrap());
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(value, serde_json::from_slice::<serde_json::Value>(&original).unwrap());
            assert!(line.ends_with(b" }"));
        }
        // One that has the length of a packet is one, unless it is the last: then it doubles.
        assert_eq!(make_packet(&mut message(4096), 0, false), (4096, 0));
    }

    #[test]
    fn whole_messages_go_first_if_that_takes_less_padding() {
        // 1,000 of 1,900 bytes with 24 spaces, rather than all with 148.
        let mut two = [message(1000), message(900)].concat();
        let mut bytes = two.clone();
        assert_eq!(make_packet(&mut bytes, 0, false), (1024, 24));
        assert_eq!(&bytes[1024..], message(900));
        // The last packet is all there is.
        assert_eq!(make_packet(&mut two, 0, true), (2048, 148));
        // 500 of 2,000 bytes would take 524 spaces: all, with 48.
        let mut bytes = [message(500), message(1500)].concat();
        assert_eq!(make_packet(&mut bytes, 0, false), (2048, 48));
        // What is sent already is left alone.
        let mut bytes = [message(77), message(10)].concat();
        assert_eq!(make_packet(&mut bytes, 77, false), (77 + 1024, 1014));
        assert_eq!(&bytes[..77], message(77));
    }

    #[test]
    fn parts_of_a_message_are_padded_between_its_tokens() {
        let mut bytes = br#"{"result":[{"height":1},{"height":2}"#.to_vec();
        assert_eq!(make_packet(&mut bytes, 0, false).0, 1024);
        bytes.extend_from_slice(b"]}\n");
        make_packet(&mut bytes, 1024, false);
        assert_eq!(bytes.len(), 2048);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value, serde_json::json!({"result": [{"height": 1}, {"height": 2}]}));
    }
}
