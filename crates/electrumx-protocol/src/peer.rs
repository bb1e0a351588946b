//! Who is at the other end.

use std::fmt;
use std::net::SocketAddr;

/// The other end of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerInfo {
    /// Its address; `None` when it has none, as on a Unix socket.
    pub addr: Option<SocketAddr>,
    /// How it is connected.
    pub transport: Transport,
}

impl fmt::Display for PeerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(addr) => addr.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// What carries a session's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// A Unix socket.
    Unix,
    /// Memory: tests and embedding.
    Memory,
}

impl Transport {
    /// Returns the letter ElectrumX's session list shows.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Tcp => 'T',
            Self::Tls => 'S',
            Self::Ws => 'W',
            Self::Wss => 'X',
            Self::Unix => 'U',
            Self::Memory => 'M',
        }
    }
}
