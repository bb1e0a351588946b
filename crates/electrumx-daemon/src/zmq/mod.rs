//! The node's ZMQ feed: a hint that something happened, never the only way to learn of it.
//!
//! A subscriber of ZMTP 3.0, which is the little of it that bitcoind speaks: no encryption, one
//! publisher, frames of a few bytes. `docs/adr/0007-zmq-subscriber.md` says why it is written here.

mod config;
mod endpoint;
mod event;
mod feed;
mod raw_txs;
mod recent;
mod wire;

pub use config::ZmqConfig;
pub use event::ZmqEvent;
pub use feed::ZmqFeed;
pub use recent::RecentTxs;
