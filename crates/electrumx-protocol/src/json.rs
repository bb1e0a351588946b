//! JSON written straight into a buffer: no intermediate values, no escaping of hex.

use electrumx_core::bitcoin::Txid;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::history::StatusHash;

/// Appends a string, escaped.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    // A string always serialises, and a Vec always takes it.
    let _ = serde_json::to_writer(out, text);
}

/// Appends a number.
pub(crate) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a truth value.
pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a rate: always with a fraction or an exponent, since Cake Wallet reads integers as 0.
/// What is not a number of zero or more becomes −1, "unknown".
pub(crate) fn rate(out: &mut Vec<u8>, rate: f64) {
    if rate.is_finite() && rate >= 0.0 {
        let _ = serde_json::to_writer(out, &rate);
    } else {
        out.extend_from_slice(b"-1");
    }
}

/// Appends bytes as a string of hex digits.
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    hex_digits(out, bytes);
    out.push(b'"');
}

/// Appends bytes as hex digits.
pub(crate) fn hex_digits(out: &mut Vec<u8>, bytes: &[u8]) {
    // What is no multiple of a vector's width takes many times as long: it is made one.
    let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % VECTOR);
    let start = out.len();
    out.resize(start + whole.len() * 2, 0);
    // The room is exactly what the digits take.
    let _ = faster_hex::hex_encode(whole, &mut out[start..]);
    if !rest.is_empty() {
        let (mut padded, mut digits) = ([0; VECTOR], [0; 2 * VECTOR]);
        padded[..rest.len()].copy_from_slice(rest);
        let _ = faster_hex::hex_encode(&padded, &mut digits);
        out.extend_from_slice(&digits[..rest.len() * 2]);
    }
}

/// Bytes that are encoded at once on common processors.
const VECTOR: usize = 32;

/// Appends a hash as it is displayed: reversed hex.
pub(crate) fn hash(out: &mut Vec<u8>, mut hash: [u8; 32]) {
    hash.reverse();
    hex(out, &hash);
}

/// Appends a transaction id.
pub(crate) fn txid(out: &mut Vec<u8>, txid: &Txid) {
    hash(out, txid.to_byte_array());
}

/// Appends a status; `null` for a script without history.
pub(crate) fn status(out: &mut Vec<u8>, status: Option<&StatusHash>) {
    match status {
        Some(status) => hex(out, status.as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends an array, each element by `element`.
pub(crate) fn array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut element: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    list(out, items, &mut element);
    out.push(b']');
}

/// Appends elements with commas between them.
pub(crate) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut element: impl FnMut(&mut Vec<u8>, T),
) {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        element(out, item);
    }
}

/// Appends foreign JSON on one line: line ends between its tokens become blanks.
pub(crate) fn raw(out: &mut Vec<u8>, json: &str) {
    out.extend(json.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
}

/// Returns a number with thousands commas, as in ElectrumX's error texts.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (99_999, "99,999"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn bytes_of_any_length_are_hex_digits() {
        for len in 0..200 {
            let bytes: Vec<u8> = (0..len).map(|i| i ^ 0xa5).collect();
            let mut out = b"x".to_vec();
            hex_digits(&mut out, &bytes);
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(out, format!("x{expected}").into_bytes(), "{len}");
        }
    }

    #[test]
    fn rates_are_floats_and_what_is_none_is_minus_one() {
        let text = |value| {
            let mut out = Vec::new();
            rate(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1e-5), "0.00001");
        assert_eq!(text(0.0001), "0.0001");
        assert_eq!(text(1.0), "1.0");
        for none in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(text(none), "-1");
        }
    }
}
