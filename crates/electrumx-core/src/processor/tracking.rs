//! What blocks touch, collected while somebody listens.

use bitcoin::{BlockHash, OutPoint, Txid};

use crate::changes::{BlockTouches, Touch, Touched};
use crate::hash::HashX;
use crate::position::BlockId;

/// Blocks that are reported one by one; after more than these the histories are better read anew.
const MAX_BLOCKS: usize = 32;

/// Collects what blocks touch, between two reports.
#[derive(Default, Debug)]
pub(super) struct Tracking {
    pub(super) touched: Touched,
    blocks: Vec<BlockTouches>,
    /// Of the block that is being processed.
    current: Vec<Touch>,
}

impl Tracking {
    /// A transaction of the current block pays to a script.
    pub(super) fn pays(&mut self, tx: u32, hashx: HashX) {
        self.current.push(Touch { hashx, tx, outputs: 1 });
    }

    /// A transaction of the current block spends an output.
    pub(super) fn spends(&mut self, tx: u32, prevout: OutPoint, hashx: HashX) {
        self.touched.spent.insert(prevout);
        self.current.push(Touch { hashx, tx, outputs: 0 });
    }

    /// The current block is complete.
    pub(super) fn advanced(&mut self, id: BlockId, prev: BlockHash, txids: &[Txid]) {
        let touches = std::mem::take(&mut self.current);
        self.touched.scripts.extend(touches.iter().map(|touch| touch.hashx));
        self.touched.txs.extend(txids);
        if self.blocks.len() == MAX_BLOCKS {
            self.blocks.clear();
        }
        self.blocks.push(BlockTouches::new(id, prev, txids.to_vec(), touches));
    }

    /// Blocks were dropped: the chain of the reported ones is broken. What they touched stays
    /// touched.
    pub(super) fn reset(&mut self) {
        let dropped = std::mem::take(&mut self.current);
        self.touched.scripts.extend(dropped.iter().map(|touch| touch.hashx));
        self.blocks.clear();
    }

    /// Hands over what was collected.
    pub(super) fn take(&mut self) -> (Touched, Vec<BlockTouches>) {
        (std::mem::take(&mut self.touched), std::mem::take(&mut self.blocks))
    }
}
