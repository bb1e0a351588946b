//! Merkle trees of blocks, kept for those that are asked for.
//!
//! # Correctness
//!
//! A tree is found by its block's hash, which commits to it: whatever happens to the chain, it stays
//! right.

use std::sync::Arc;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::merkle::{self, Node};
use electrumx_core::{ChainView, Height};
use parking_lot::Mutex;

use crate::error::RpcError;
use crate::generations::Generations;
use crate::reader::Effort;
use crate::stats::CacheStats;

/// Most transactions of a block whose tree is made at once.
const LITTLE_BLOCK: u64 = 50;

/// The merkle tree over a block's transaction ids, all levels.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct BlockTree {
    levels: Vec<Vec<Node>>,
}

impl BlockTree {
    pub(crate) fn new(txids: &[Txid]) -> Self {
        let mut level: Vec<Node> = txids.iter().map(|txid| txid.to_byte_array()).collect();
        let mut levels = Vec::with_capacity(16);
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => merkle::root_from_branch(*left, &[*right], 0),
                // An odd node is paired with itself.
                odd => merkle::root_from_branch(odd[0], &[odd[0]], 0),
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// Returns a transaction's place in the block.
    pub(crate) fn position(&self, txid: &Txid) -> Option<usize> {
        let leaf = txid.to_byte_array();
        self.levels.first()?.iter().position(|other| *other == leaf)
    }

    /// Returns the id of the transaction at a place.
    pub(crate) fn txid(&self, position: usize) -> Option<Txid> {
        self.levels.first()?.get(position).map(|leaf| Txid::from_byte_array(*leaf))
    }

    /// Returns the siblings that prove a transaction, lowest first. The position must be one of the
    /// block's.
    pub(crate) fn branch(&self, position: usize) -> Vec<Node> {
        let below_root = self.levels.split_last().map_or(&[][..], |(_, below)| below);
        let siblings = below_root.iter().enumerate().filter_map(|(height, level)| {
            let index = position >> height;
            level.get(index ^ 1).or_else(|| level.get(index)).copied()
        });
        siblings.collect()
    }

    fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.capacity() * size_of::<Node>()).sum::<usize>()
            + size_of::<Self>()
            + size_of_val(&*self.levels)
    }
}

/// Trees of blocks by their hashes.
#[derive(Debug)]
pub(crate) struct BlockTrees(Mutex<Generations<BlockHash, Arc<BlockTree>>>);

impl BlockTrees {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self(Mutex::new(Generations::new(max_bytes)))
    }

    /// Returns the tree of the block at a height; `None` when there is no such block. With little effort only a small
    /// one, or one that is kept.
    pub(crate) fn at(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        height: Height,
    ) -> Result<Option<Arc<BlockTree>>, RpcError> {
        let Some(hash) = view.block_hash(height)? else { return Ok(None) };
        if let Some(tree) = self.0.lock().get(&hash) {
            return Ok(Some(Arc::clone(tree)));
        }
        let numbers = view.block_txs(height);
        if effort == Effort::Little && numbers.end - numbers.start > LITTLE_BLOCK {
            return Err(RpcError::Later);
        }
        // Two that miss at once both read: no one waits for another's read.
        let tree = Arc::new(BlockTree::new(&view.txids(numbers)?));
        self.0.lock().insert(hash, Arc::clone(&tree), tree.bytes());
        Ok(Some(tree))
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.0.lock().stats("block trees")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_those_of_the_plain_computation() {
        for count in 1..70_u8 {
            let txids: Vec<_> = (0..count).map(|i| Txid::from_byte_array([i; 32])).collect();
            let tree = BlockTree::new(&txids);
            for (position, txid) in txids.iter().enumerate() {
                let leaves = txids.iter().map(|txid| txid.to_byte_array()).collect();
                let (branch, _) = merkle::branch(leaves, position).unwrap();
                assert_eq!(tree.branch(position), branch, "{position} of {count}");
                assert_eq!(tree.position(txid), Some(position));
                assert_eq!(tree.txid(position), Some(*txid));
            }
            assert_eq!(tree.txid(usize::from(count)), None);
            assert_eq!(tree.position(&Txid::from_byte_array([200; 32])), None);
        }
    }
}
