//! The storage port: what the processor writes and what queries read.
//!
//! A [`Store`] is durable, has one writer and any number of [`ChainView`]s. Implementations: LMDB in
//! `electrumx-storage`; [`MemoryStore`](crate::memory::MemoryStore) (feature `memory`), the
//! executable specification. `electrumx_core::conformance` holds the suite both pass.
//!
//! # Correctness
//!
//! - **One commit point.** [`Store::append`] and [`Store::unwind_to`] take effect wholly or not at
//!   all, and are durable when they return.
//! - **Undo is truncation.** After `unwind_to(h)` the store equals one that never saw a block above
//!   `h`.
//! - **Snapshots.** A view never changes; it shows one tip.

use std::error::Error;
use std::ops::Range;

use bitcoin::{BlockHash, Txid};

use crate::delta::BlockDelta;
use crate::hash::{HashX, HashXKey};
use crate::position::{BlockId, Height, OutputNum, TxNum};

/// An index that can be read: all that a protocol session sees of a [`Store`].
pub trait Index: Send + Sync + 'static {
    /// Opens a snapshot of the last committed state.
    ///
    /// Cheap (microseconds), but it pins disk pages: open, read, drop.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn view(&self) -> Result<Box<dyn ChainView>, StoreError>;

    /// Returns the secret that names scripts in this store.
    fn hashx_key(&self) -> HashXKey;
}

/// A durable index: one writer, any number of readers.
pub trait Store: Index {
    /// Appends blocks in one commit. The first must extend the tip; each next one its predecessor.
    ///
    /// # Errors
    /// [`StoreError::NotExtending`] when the blocks do not connect; [`StoreError::Full`] when the
    /// disk is full; nothing is changed then.
    fn append(&self, blocks: &[BlockDelta]) -> Result<(), StoreError>;

    /// Removes every block above `height` in one commit (`None` removes all) and returns the new tip.
    ///
    /// # Errors
    /// [`StoreError::BelowBase`] when `height` is below [`ChainView::base`]; when the storage engine
    /// fails. Nothing is changed then. A height at or above the tip is no error and changes nothing.
    fn unwind_to(&self, height: Option<Height>) -> Result<Option<BlockId>, StoreError>;
}

/// One consistent state of the index.
///
/// Numbers not in the index and heights above the tip are `Ok(None)` or empty, never an error.
pub trait ChainView: Send {
    /// Returns the last block; `None` for an empty index.
    fn tip(&self) -> Option<BlockId>;

    /// Returns the number of transactions, which is the next [`TxNum`].
    fn tx_count(&self) -> u64;

    /// Returns the last block of the store's immutable part; `None` without such a part.
    ///
    /// Blocks up to this one can only be removed all at once. What was needed to remove them singly is
    /// gone: see [`output`](Self::output), [`outputs`](Self::outputs) and
    /// [`block_spends`](Self::block_spends).
    fn base(&self) -> Option<BlockId> {
        None
    }

    /// Returns a block's hash.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn block_hash(&self, height: Height) -> Result<Option<BlockHash>, StoreError>;

    /// Appends the raw headers from `start` on to `out`, at most `count`, and returns how many. Their lengths are pushed to `lengths`.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn headers(
        &self,
        start: Height,
        count: u32,
        out: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<u32, StoreError>;

    /// Returns the numbers of a block's transactions; empty above the tip.
    fn block_txs(&self, height: Height) -> Range<u64>;

    /// Returns the height of a transaction; `None` when there is no such number.
    fn height_of(&self, tx_num: TxNum) -> Option<Height>;

    /// Returns a transaction's id.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn txid(&self, tx_num: TxNum) -> Result<Option<Txid>, StoreError>;

    /// Returns the ids of consecutive transactions (cut at the end of the index).
    ///
    /// # Errors
    /// When the storage engine fails.
    fn txids(&self, numbers: Range<u64>) -> Result<Vec<Txid>, StoreError>;

    /// Returns the ids of any transactions, in the order asked; quickest when ascending.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is no such transaction; when the storage engine fails.
    fn txids_of(&self, numbers: &[TxNum]) -> Result<Vec<Txid>, StoreError> {
        let missing = |number: &TxNum| StoreError::Corrupt {
            table: "txids",
            what: format!("it lacks {number:?}"),
        };
        let txid = |number: &TxNum| self.txid(*number)?.ok_or_else(|| missing(number));
        numbers.iter().map(txid).collect()
    }

    /// Finds a transaction by id. Exact: a candidate's whole id is compared.
    ///
    /// Where an id occurs twice (the two coinbases of before BIP-30) the later one is found.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn tx_num(&self, txid: &Txid) -> Result<Option<TxNum>, StoreError>;

    /// Returns where a transaction's bytes are in its raw block.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn tx_position(&self, tx_num: TxNum) -> Result<Option<TxPosition>, StoreError>;

    /// Returns the outputs that pay to a script, ascending by number.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] when there are more than `limit`.
    fn script_outputs(&self, hashx: &HashX, limit: usize) -> Result<Vec<ScriptOutput>, StoreError> {
        let mut outputs = Vec::new();
        self.each_script_output(hashx, limit, &mut |output| outputs.push(output))?;
        Ok(outputs)
    }

    /// Visits the outputs that pay to a script, ascending by number: they may be millions.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] when there are more than `limit`; so many were visited then.
    fn each_script_output(
        &self,
        hashx: &HashX,
        limit: usize,
        visit: &mut dyn FnMut(ScriptOutput),
    ) -> Result<(), StoreError>;

    /// Returns script and value of an output; `None` when it does not exist or is not indexed
    /// (`OP_RETURN`, genesis), or was spent in the [`base`](Self::base), where only the list of its script knows it.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn output(&self, output: OutputNum) -> Result<Option<OutputRow>, StoreError>;

    /// Returns the outputs of consecutive transactions that [`output`](Self::output) would return.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn outputs(&self, numbers: Range<u64>) -> Result<Vec<(OutputNum, OutputRow)>, StoreError>;

    /// Returns what became of an output; `None` when it is not an output that pays to this script.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn output_state(
        &self,
        hashx: &HashX,
        output: OutputNum,
    ) -> Result<Option<OutputState>, StoreError>;

    /// Returns the outputs that a block spent, in the block's order; empty up to the [`base`](Self::base).
    ///
    /// # Errors
    /// When the storage engine fails.
    fn block_spends(&self, height: Height) -> Result<Vec<OutputNum>, StoreError>;
}

/// Where a transaction's bytes are in its raw block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxPosition {
    /// Offset from the block's first byte.
    pub offset: u32,
    /// Length in bytes, witness included.
    pub size: u32,
}

/// An output in a script's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScriptOutput {
    /// The output.
    pub output: OutputNum,
    /// Whether it is spent.
    pub state: OutputState,
}

/// What became of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputState {
    /// In the UTXO set, worth this many satoshis.
    Unspent(u64),
    /// Spent by this transaction.
    SpentBy(TxNum),
}

/// Script and value of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputRow {
    /// The script it pays to.
    pub hashx: HashX,
    /// Its value in satoshis.
    pub value: u64,
}

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The blocks do not extend the tip; a bug of the caller.
    #[error("block {got} does not extend the index, whose tip is {tip:?}")]
    NotExtending {
        /// The block offered.
        got: BlockId,
        /// The tip at that time.
        tip: Option<BlockId>,
    },
    /// The blocks to remove are in the immutable part of the index.
    #[error(
        "block {base} and those before it cannot be undone, but the node's chain forks off below; \
         remove the database directory to index the chain anew"
    )]
    BelowBase {
        /// The last block of that part.
        base: BlockId,
    },
    /// More rows than the caller wanted to see.
    #[error("more than {limit} rows")]
    TooMany {
        /// The caller's limit.
        limit: usize,
    },
    /// The disk is full. Nothing was written; the index is intact.
    #[error("the disk that holds {path} is full; make room, the index goes on from where it is")]
    Full {
        /// The database directory.
        path: String,
    },
    /// The disk has no room for what is about to be written.
    #[error(
        "the disk that holds {path} has {free} bytes free, and {needed} are needed for a while; make room"
    )]
    NoRoom {
        /// The database directory.
        path: String,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that there are.
        free: u64,
    },
    /// Stored bytes make no sense.
    #[error(
        "table {table} is damaged: {what}; rebuild the index by removing the database directory"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What was found.
        what: String,
    },
    /// An earlier write failed in a way that leaves the writer unusable.
    #[error("the index refuses writes after a failed one; restart the server")]
    Poisoned,
    /// The storage engine failed.
    #[error("storage engine: cannot {action}")]
    Backend {
        /// What was attempted.
        action: &'static str,
        /// The engine's error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Tells whether to go on is pointless: the database must be repaired or reopened first.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Full { .. } | Self::NoRoom { .. } | Self::TooMany { .. })
    }
}
