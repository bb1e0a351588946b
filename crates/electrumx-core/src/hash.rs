//! The hashes an Electrum index is keyed by.

use std::fmt;
use std::str::FromStr;

use siphasher::sip128::SipHasher13;

use crate::sha256;

/// SHA-256 of a scriptPubKey: how Electrum clients name a script.
///
/// The bytes are in hash order; [`Display`](fmt::Display) and [`FromStr`] use the wire form, which is
/// reversed hex (protocol page "Script Hashes").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScriptHash([u8; 32]);

impl ScriptHash {
    /// Hashes a scriptPubKey.
    #[must_use]
    pub fn of_script(script: &[u8]) -> Self {
        Self(sha256::of_short(script))
    }

    /// Wraps 32 bytes in hash order.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes in hash order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ScriptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ScriptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptHash({self})")
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a script hash is 64 hexadecimal digits")]
pub struct ParseScriptHashError;

impl FromStr for ScriptHash {
    type Err = ParseScriptHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ParseScriptHashError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().rev().zip(digits.chunks_exact(2)) {
            *byte = (hex_digit(pair[0])? << 4) | hex_digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(digit: u8) -> Result<u8, ParseScriptHashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(ParseScriptHashError),
    }
}

/// The stored name of a script: 96 bits of SipHash-1-3-128 over its [`ScriptHash`].
///
/// The hash is keyed with a secret of the database ([`HashXKey`]), so collisions are one in 10^10 by
/// accident on Bitcoin mainnet and cannot be ground by an attacker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HashX([u8; Self::LEN]);

impl HashX {
    /// Length in bytes.
    pub const LEN: usize = 12;

    /// Wraps stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the stored bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for HashX {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashX(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The secret that turns script hashes into [`HashX`]; drawn once when a database is created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashXKey([u8; 16]);

impl HashXKey {
    /// Wraps the 16 secret bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the secret bytes, to be stored with the database.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns the stored name of a script.
    #[must_use]
    pub fn hashx(&self, scripthash: &ScriptHash) -> HashX {
        let digest = SipHasher13::new_with_key(&self.0).hash(&scripthash.0).as_bytes();
        let mut bytes = [0; HashX::LEN];
        bytes.copy_from_slice(&digest[..HashX::LEN]);
        HashX(bytes)
    }
}

impl fmt::Debug for HashXKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashXKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripthash_is_reversed_hex_as_in_the_protocol_document() {
        // Example of the protocol page: the script of mainnet's genesis output address.
        let script = [
            &[0x76, 0xa9, 0x14][..],
            &[
                0x62, 0xe9, 0x07, 0xb1, 0x5c, 0xbf, 0x27, 0xd5, 0x42, 0x53, 0x99, 0xeb, 0xf6, 0xf0,
                0xfb, 0x50, 0xeb, 0xb8, 0x8f, 0x18,
            ],
            &[0x88, 0xac],
        ]
        .concat();
        let text = "8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161";
        assert_eq!(ScriptHash::of_script(&script).to_string(), text);
        assert_eq!(text.parse::<ScriptHash>().unwrap(), ScriptHash::of_script(&script));
        assert_eq!(text.to_uppercase().parse::<ScriptHash>().unwrap().to_string(), text);
    }

    #[test]
    fn malformed_scripthash_is_refused() {
        for text in ["", "8b01", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65), &"é".repeat(32)]
        {
            assert_eq!(text.parse::<ScriptHash>(), Err(ParseScriptHashError), "{text}");
        }
    }

    #[test]
    fn hashx_depends_on_the_key() {
        let scripthash = ScriptHash::of_script(&[0x51]);
        let one = HashXKey::from_bytes([1; 16]).hashx(&scripthash);
        assert_eq!(one, HashXKey::from_bytes([1; 16]).hashx(&scripthash));
        assert_ne!(one, HashXKey::from_bytes([2; 16]).hashx(&scripthash));
    }
}
