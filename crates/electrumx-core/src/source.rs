//! The block port: where blocks come from.

use std::error::Error;

use bitcoin::BlockHash;

use crate::position::{BlockId, Height};

/// The node's best chain, as the processor sees it.
///
/// Blocking: called from the processor's own thread. Everything it returns is checked by the
/// processor before use.
pub trait BlockSource: Send {
    /// Returns the tip of the node's best chain.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn tip(&mut self) -> Result<SourceTip, SourceError>;

    /// Returns the hash at a height of the node's best chain; `None` above its tip.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError>;

    /// Starts to fetch the blocks `from..=to` of the node's best chain ahead of
    /// [`next_block`](Self::next_block). A fetch under way is given up.
    fn start(&mut self, from: Height, to: Height);

    /// Returns the next raw block of the range, in height order; `None` when the range is at its end, or when the best chain changed so that
    /// the rest of it no longer exists.
    ///
    /// # Errors
    /// When the node cannot be asked. The processor then starts over from its own tip.
    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError>;
}

impl<B: BlockSource + ?Sized> BlockSource for Box<B> {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        (**self).tip()
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        (**self).block_hash(height)
    }

    fn start(&mut self, from: Height, to: Height) {
        (**self).start(from, to);
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        (**self).next_block()
    }
}

/// Where the node's best chain ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceTip {
    /// Its last block.
    pub id: BlockId,
    /// Whether the node is itself still catching up (`initialblockdownload`). A node that is, and whose
    /// tip is below ours on our own chain, is reindexing: the index waits and does not unwind.
    pub syncing: bool,
}

/// A block as the node serialises it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawBlock {
    /// Height in the node's best chain.
    pub height: Height,
    /// Consensus serialisation, witness included.
    pub bytes: Vec<u8>,
}

/// Why a block could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The work was cancelled: the server is stopping.
    #[error("cancelled")]
    Cancelled,
    /// The node did not answer or refused; trying again later may help.
    #[error("the node cannot be asked: {what}")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The node answered something that cannot be right.
    #[error("the node answered wrongly: {0}")]
    Invalid(String),
    /// The block files cannot be read, or lack a block, and there is no node to ask; trying again later may help.
    #[error("the block files do not serve: {what}")]
    Files {
        /// What is wrong with them.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The node can never serve what is needed, such as a pruned block.
    #[error("the node cannot serve the chain: {0}")]
    Fatal(String),
}
