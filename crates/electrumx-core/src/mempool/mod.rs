//! The mempool as a pure state machine: no I/O, no clock.
//!
//! A round is: list the node's mempool; [`Mempool::missing`] says which transactions to fetch;
//! [`Resolver`] parses them and finds what they spend; [`Mempool::apply`] takes the result over
//! and says which scripts changed. The caller makes sure that the node's tip was the same before
//! and after and equals the index's.
//!
//! # Correctness
//!
//! - After `apply(tip, listed, added)` the transactions held are those listed, less those never
//!   resolved; none has an input whose origin is unknown.
//! - A script is reported as touched whenever its [`script_txs`](Mempool::script_txs) changed, be it
//!   only by a height (−1 turns 0 when the last unconfirmed parent confirms).

mod histogram;
mod resolver;
mod state;

pub use histogram::{FeeBin, fee_histogram};
pub use resolver::{Resolved, Resolver};
pub use state::{Mempool, MempoolInput, MempoolOutput, MempoolTx, UnconfirmedTx};
