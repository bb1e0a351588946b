//! Versions of the Electrum protocol.

use std::fmt;
use std::str::FromStr;

/// A protocol version such as `1.4.2`: numbers compared one by one, trailing zeros without meaning.
///
/// [`Display`](fmt::Display) gives the shortest form (`1.6`, never `1.6.0`): clients compare the
/// text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProtocolVersion([u16; 4]);

impl ProtocolVersion {
    /// The base line, and what a session speaks that never asked for a version.
    pub const V1_4: Self = Self([1, 4, 0, 0]);
    /// Changes the shape of `blockchain.block.headers`.
    pub const V1_6: Self = Self([1, 6, 0, 0]);
    /// The newest version served: scripts are named by themselves, outpoints can be watched.
    pub const V1_7: Self = Self([1, 7, 0, 0]);

    /// Picks the version two ranges have in common: the highest, if there is one.
    #[must_use]
    pub fn agree(client: (Self, Self), server: (Self, Self)) -> Option<Self> {
        let version = client.1.min(server.1);
        (version >= client.0.max(server.0)).then_some(version)
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, rest @ ..] = self.0;
        write!(f, "{major}.{minor}")?;
        let used = rest.iter().rposition(|part| *part != 0).map_or(0, |last| last + 1);
        rest[..used].iter().try_for_each(|part| write!(f, ".{part}"))
    }
}

/// The text is not a protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a protocol version is one to four numbers with dots between, such as 1.4.2")]
pub struct ParseVersionError;

impl FromStr for ProtocolVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = [0; 4];
        for (i, part) in text.split('.').enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| part.parse().ok()).flatten().ok_or(ParseVersionError)?;
            *parts.get_mut(i).ok_or(ParseVersionError)? = number;
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers_and_show_their_shortest_form() {
        for (text, shown) in [
            ("1.4", "1.4"),
            ("1.4.0", "1.4"),
            ("1.6.0.0", "1.6"),
            ("1.4.1.5", "1.4.1.5"),
            ("1.4.0.5", "1.4.0.5"),
            ("2", "2.0"),
        ] {
            assert_eq!(text.parse::<ProtocolVersion>().unwrap().to_string(), shown);
        }
        for text in ["", ".", "1.", "1..4", "abc", "1.4.2.0.1", "-1.4", "+1.4", "1.99999", " 1.4"] {
            assert_eq!(text.parse::<ProtocolVersion>(), Err(ParseVersionError), "{text}");
        }
        let version = |text: &str| text.parse::<ProtocolVersion>().unwrap();
        assert!(version("1.10") > version("1.9"));
        assert_eq!(version("1.6"), version("1.6.0"));
        assert!(version("1.4.2") < ProtocolVersion::V1_6);
    }
}
