//! What the benches share: a deterministic chain with a realistic mix of transactions, and what a process costs.

mod chain;
mod connection;
mod usage;

pub use chain::{GeneratedChain, Shape};
pub use connection::Connection;
pub use usage::{Usage, cpu_of};
