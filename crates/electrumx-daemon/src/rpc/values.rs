//! Hexadecimal values in replies, decoded from the reply's text without a copy.

use std::fmt;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Txid};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A hash in the order in which nodes print it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashHex([u8; 32]);

impl HashHex {
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let digits = <&[u8; 64]>::try_from(text.as_bytes()).ok()?;
        faster_hex::hex_decode(digits, &mut bytes).ok()?;
        bytes.reverse();
        Some(Self(bytes))
    }
}

impl From<HashHex> for BlockHash {
    fn from(hash: HashHex) -> Self {
        Self::from_byte_array(hash.0)
    }
}

impl From<HashHex> for Txid {
    fn from(hash: HashHex) -> Self {
        Self::from_byte_array(hash.0)
    }
}

impl<'de> Deserialize<'de> for HashHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = HashHex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a hash of 64 hexadecimal digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HashHex, E> {
                HashHex::parse(text).ok_or_else(|| E::custom("not a hash of 64 hexadecimal digits"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Bytes; `Err` holds what is wrong with the digits, so that such a reply is not taken for a broken connection.
#[derive(Debug)]
pub(super) struct BytesHex(pub(super) Result<Vec<u8>, String>);

impl BytesHex {
    pub(super) fn parse(text: &str) -> Self {
        let digits = text.as_bytes();
        let mut bytes = vec![0; digits.len() / 2];
        let decoded = faster_hex::hex_decode(digits, &mut bytes);
        Self(decoded.map(|()| bytes).map_err(|error| format!("bad hexadecimal digits: {error}")))
    }
}

impl<'de> Deserialize<'de> for BytesHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = BytesHex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("hexadecimal digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BytesHex, E> {
                Ok(BytesHex::parse(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_exactly_64_digits() {
        let text = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
        let hash: HashHex = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        assert_eq!(BlockHash::from(hash).to_string(), text);
        for bad in [&text[1..], &format!("{text}0"), &text.replace('9', "g"), ""] {
            assert!(HashHex::parse(bad).is_none());
        }
    }

    #[test]
    fn bytes_are_whole_pairs_of_digits() {
        assert_eq!(BytesHex::parse("00Ff").0.unwrap(), [0, 255]);
        assert_eq!(BytesHex::parse("").0.unwrap(), [0; 0]);
        assert!(BytesHex::parse("0").0.is_err());
        assert!(BytesHex::parse("0g").0.is_err());
    }
}
