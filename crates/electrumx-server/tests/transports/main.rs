//! Every transport, against the running server.

mod certificate;
mod common;
mod handshakes;
mod openssl;
mod pin;
mod proxy;
mod tls;
mod unix;
mod websockets;
mod ws;
mod ws_by_hand;
