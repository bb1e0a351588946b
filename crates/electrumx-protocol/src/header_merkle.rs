//! Proofs that a header is in the chain, from a tree that grows with it.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::merkle::{self, Node};
use electrumx_core::{ChainView, Height, StoreError};

use crate::stats::CacheStats;

/// The merkle tree over all block hashes: its complete nodes, level by level.
///
/// A node is kept once all leaves below it exist; such nodes change only by a reorg. A proof
/// against any height takes from here all but the O(log n) nodes at the right edge. Memory: 64
/// bytes a block, 64 MB at a million; filled by the first proof asked for.
///
/// # Correctness
///
/// Before use the tree is cut back to where its leaves agree with the view, found by comparing
/// hashes from the top: since a hash commits to all before it, below the first match all match.
#[derive(Default, Debug)]
pub(crate) struct HeaderMerkle {
    levels: Vec<Vec<Node>>,
    /// Proofs for which nothing had to be read, and others.
    hits: u64,
    misses: u64,
}

impl HeaderMerkle {
    /// Returns the branch of the header at `height` in the tree over headers `0..=cp_height`, and
    /// its root.
    ///
    /// `None` unless `height <= cp_height <= tip`.
    pub(crate) fn proof(
        &mut self,
        view: &dyn ChainView,
        height: Height,
        cp_height: Height,
    ) -> Result<Option<(Vec<Node>, Node)>, StoreError> {
        if height > cp_height || view.tip().is_none_or(|tip| tip.height < cp_height) {
            return Ok(None);
        }
        self.agree_with(view)?;
        let is_hit = self.len() > cp_height as usize;
        *(if is_hit { &mut self.hits } else { &mut self.misses }) += 1;
        while self.len() <= cp_height as usize {
            let Some(leaf) = leaf(view, self.len())? else { return Ok(None) };
            self.push(leaf);
        }
        let count = cp_height as usize + 1;
        let (mut branch, mut index, mut level, mut width) = (Vec::new(), height as usize, 0, count);
        while width > 1 {
            let sibling = (index ^ 1).min(width - 1);
            branch.push(self.node(level, sibling, count));
            (index, level, width) = (index / 2, level + 1, width.div_ceil(2));
        }
        Ok(Some((branch, self.node(level, 0, count))))
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            name: "header tree",
            hits: self.hits,
            misses: self.misses,
            entries: self.len(),
            bytes: self.levels.iter().map(|nodes| nodes.capacity() * size_of::<Node>()).sum(),
        }
    }

    fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Returns a node of the tree over the first `count` leaves.
    fn node(&self, level: usize, index: usize, count: usize) -> Node {
        if (index + 1) << level <= count
            && let Some(node) = self.levels.get(level).and_then(|nodes| nodes.get(index))
        {
            return *node;
        }
        // Incomplete, so not a leaf: the tree holds all leaves below `count`.
        let left = self.node(level - 1, 2 * index, count);
        let right_starts = (2 * index + 1) << (level - 1);
        let right =
            if right_starts < count { self.node(level - 1, 2 * index + 1, count) } else { left };
        merkle::root_from_branch(left, &[right], 0)
    }

    fn push(&mut self, leaf: Node) {
        let mut node = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            let [.., left, right] = nodes[..] else { return };
            if nodes.len() % 2 == 1 {
                return;
            }
            node = merkle::root_from_branch(left, &[right], 0);
        }
    }

    fn agree_with(&mut self, view: &dyn ChainView) -> Result<(), StoreError> {
        let known = view.tip().map_or(0, |tip| tip.height as usize + 1);
        let common = self.len().min(known);
        let mut agreed = common;
        while agreed > 0 && leaf(view, agreed - 1)? != self.levels[0].get(agreed - 1).copied() {
            agreed -= 1;
        }
        // A view older than the tree is not a reorg: only a difference is.
        if agreed < common {
            for (level, nodes) in self.levels.iter_mut().enumerate() {
                nodes.truncate(agreed >> level);
            }
        }
        Ok(())
    }
}

fn leaf(view: &dyn ChainView, index: usize) -> Result<Option<Node>, StoreError> {
    let Ok(height) = Height::try_from(index) else { return Ok(None) };
    Ok(view.block_hash(height)?.map(|hash| hash.to_byte_array()))
}
