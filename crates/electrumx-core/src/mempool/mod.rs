//! The mempool as a pure state machine: no I/O, no clock.
//!
//! A round is: list the node's mempool; [`Mempool::difference`] says which transactions to fetch and which
//! left; [`Resolver`] parses them and finds what they spend; [`Mempool::apply`] takes the result over
//! and says which scripts changed. The caller makes sure that the node's tip was the same before
//! and after and equals the index's. Between rounds [`Mempool::insert`] and [`Mempool::remove`] follow what the
//! node tells of single transactions.
//!
//! # Correctness
//!
//! - After `apply(tip, gone, added)` with a listing's difference the transactions held are those listed, less those
//!   never resolved; none has an input whose origin is unknown.
//! - No two transactions held spend the same output: one that comes takes the place of those it conflicts with.
//! - A script is reported as touched whenever its [`script_txs`](Mempool::script_txs) changed, be it
//!   only by a height (−1 turns 0 when the last unconfirmed parent confirms).

mod by_script;
mod histogram;
mod resolver;
mod slots;
mod spends;
mod state;
mod tx;

pub use histogram::{FeeBin, fee_histogram};
pub use resolver::{Resolved, Resolver};
pub use state::{Difference, Mempool};
pub use tx::{MempoolInput, MempoolOutput, MempoolTx, UnconfirmedTx};
