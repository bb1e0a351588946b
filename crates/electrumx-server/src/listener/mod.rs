//! Where clients come in: TCP, TLS, WebSocket, WebSocket over TLS and Unix sockets.
//!
//! A connection goes through up to three steps before it is a session: the PROXY header of a trusted proxy, the TLS
//! handshake, the WebSocket upgrade. Sessions are the same on all transports; each gets a stream of lines.
//!
//! # Correctness
//!
//! Nobody can keep others out by being slow. A connection that has steps to go holds none of `MAX_SESSIONS` places;
//! all its steps together have [`gate::DEADLINE`], and when too many are at it the oldest makes room.

mod certificate;
mod door;
mod entrance;
mod fingerprint;
mod gate;
mod proxy;
mod self_signed;
mod tcp;
mod tls;
mod unix;
mod visit;
mod ws;

pub(crate) use entrance::Entrance;

/// What fuzz targets reach.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    pub(crate) use super::proxy::read_header;
    pub(crate) use super::ws::Messages;
}
