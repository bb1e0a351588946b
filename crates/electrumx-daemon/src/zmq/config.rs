//! Where the feed comes from.

use std::fmt;
use std::str::FromStr;

use super::endpoint::Endpoint;

/// Where the feed comes from.
///
/// ```
/// use electrumx_daemon::ZmqConfig;
///
/// assert_eq!("auto".parse(), Ok(ZmqConfig::Auto));
/// assert!("tcp://192.0.2.7:28332".parse::<ZmqConfig>().is_ok());
/// assert!("udp://192.0.2.7:28332".parse::<ZmqConfig>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ZmqConfig {
    /// The node says where it publishes (`getzmqnotifications`).
    #[default]
    Auto,
    /// It publishes here, whatever it says: `tcp://HOST:PORT` or `ipc:///PATH`. What it publishes is learnt from it.
    At(String),
    /// No feed.
    Off,
}

/// Neither `auto` nor `off` nor an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither auto nor off nor of the form tcp://HOST:PORT or ipc:///PATH")]
pub struct ParseZmqConfigError(String);

impl FromStr for ZmqConfig {
    type Err = ParseZmqConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            _ if text.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            _ if text.eq_ignore_ascii_case("off") => Ok(Self::Off),
            _ if Endpoint::parse(text).is_some() => Ok(Self::At(text.to_owned())),
            _ => Err(ParseZmqConfigError(text.to_owned())),
        }
    }
}

impl fmt::Display for ZmqConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::At(address) => address,
            Self::Off => "off",
        })
    }
}
