//! Sessions over a stream in memory, with an index in memory and a node that answers as it is told.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

mod chain;
mod client;
mod envelope;
mod methods;
mod negotiation;
mod node;
mod notifications;
mod robustness;
mod rules;
mod vectors;
