//! Sessions over a stream in memory, with an index in memory and a node that answers as it is told.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]
#![expect(clippy::cast_possible_truncation, reason = "small made-up chains")]

mod chain;
mod client;
mod costs;
mod envelope;
mod extensions;
mod header_tree;
mod headers;
mod long;
mod look_ahead;
mod methods;
mod mistakes;
mod negotiation;
mod node;
mod notifications;
mod padding;
mod protocol_1_7;
mod robustness;
mod rules;
mod sockets;
mod table;
mod vectors;
mod world;
