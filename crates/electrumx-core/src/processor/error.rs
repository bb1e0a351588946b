//! Why the processor cannot go on.

use bitcoin::{BlockHash, OutPoint, Txid};

use crate::coin::ParseError;
use crate::position::Height;
use crate::source::SourceError;
use crate::store::StoreError;

/// Why the processor cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The node follows another chain than the index.
    #[error(
        "the node and the index are on different chains: genesis block {found} instead of {wanted}; \
         check COIN and NET, and which node DAEMON_URL names"
    )]
    WrongChain {
        /// Genesis block found.
        found: BlockHash,
        /// Genesis block of the configured chain.
        wanted: BlockHash,
    },
    /// The block does not extend the tip: the best chain changed meanwhile.
    #[error("block {height} does not extend the tip: the node's best chain changed")]
    NotExtending {
        /// Height of the block.
        height: Height,
    },
    /// The bytes at this height are no block.
    #[error("the node sent a bad block at height {height}")]
    BadBlock {
        /// Height asked for.
        height: Height,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// A block spends an output of a transaction the index does not have.
    #[error(
        "transaction {txid} at height {height} spends {prevout}, which the index does not have"
    )]
    MissingPrevout {
        /// Height of the block.
        height: Height,
        /// The spending transaction.
        txid: Txid,
        /// The output it spends.
        prevout: OutPoint,
    },
    /// Transactions spend outputs that no block has.
    #[error(
        "the blocks do not belong together: {count} outputs that are spent are in none of them; \
         one is spent by transaction number {by}"
    )]
    MissingOutputs {
        /// How many.
        count: u64,
        /// Number of a transaction that spends one of them.
        by: u64,
    },
    /// The chain outgrew what the index can number.
    #[error("the chain has more transactions than the index can number")]
    TooManyTransactions,
    /// The node cannot be asked or answers wrongly.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The index cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
