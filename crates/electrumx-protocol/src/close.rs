//! Why sessions end.

use std::fmt;

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed the connection, or it broke.
    ClientLeft,
    /// The server is stopping.
    Shutdown,
    /// The operator asked for it: [`Service::disconnect`](crate::Service::disconnect).
    Disconnected,
    /// No complete request came for too long.
    Idle,
    /// The client did not take what was sent to it.
    NotReading,
    /// A request or batch was longer than allowed.
    TooLong,
    /// The client and the server have no protocol version in common.
    UnsupportedVersion,
    /// The client did not begin with `server.version`, and the server is set to be strict.
    VersionNotFirst,
    /// The history of a subscribed script outgrew the limit: the client learns it when it
    /// subscribes anew.
    HistoryTooLarge,
    /// The session used up too much.
    Excessive,
    /// The operator does not serve this kind of client.
    Unwanted,
    /// An answer of which a part was sent already could not be finished.
    Unfinished,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientLeft => "the client left",
            Self::Shutdown => "the server is stopping",
            Self::Disconnected => "disconnected by the operator",
            Self::Idle => "no request for too long",
            Self::NotReading => "the client does not read",
            Self::TooLong => "a request was too long",
            Self::UnsupportedVersion => "no common protocol version",
            Self::VersionNotFirst => "the first request was not server.version",
            Self::HistoryTooLarge => "a subscribed history outgrew the limit",
            Self::Excessive => "excessive resource usage",
            Self::Unwanted => "a client that is not served",
            Self::Unfinished => "an answer could not be finished",
        })
    }
}
