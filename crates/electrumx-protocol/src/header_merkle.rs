//! Proofs that a header is in the chain, from a tree that grows with it.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::merkle::{self, Node};
use electrumx_core::{ChainView, Height, StoreError};

use crate::stats::CacheStats;

/// Edges that are kept: clients ask for proofs against their few checkpoints.
const EDGES: usize = 16;

/// The last node of each level of the tree over the first `count` leaves, lowest level first, the root last.
#[derive(Debug)]
struct Edge {
    count: usize,
    nodes: Vec<Node>,
}

/// The merkle tree over all block hashes: its complete nodes, level by level.
///
/// A node is kept once all leaves below it exist; such nodes change only by a reorg. A proof
/// against any height takes from here all but the O(log n) nodes at the right edge, which are kept for some heights.
/// Memory: 64 bytes a block, 64 MB at a million; filled in the background.
///
/// # Correctness
///
/// Before use the tree is cut back to where its leaves agree with the view, found by comparing
/// hashes from the top: since a hash commits to all before it, below the first match all match.
#[derive(Default, Debug)]
pub(crate) struct HeaderMerkle {
    levels: Vec<Vec<Node>>,
    edges: Vec<Edge>,
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
        let (mut index, mut width) = (height as usize, count);
        let mut branch = Vec::with_capacity(24);
        let edge = self.edge(count);
        for last in &self.edges[edge].nodes {
            let (level, sibling) = (branch.len(), (index ^ 1).min(width - 1));
            if width == 1 {
                return Ok(Some((branch, *last)));
            }
            branch.push(if sibling == width - 1 { *last } else { self.levels[level][sibling] });
            (index, width) = (index / 2, width.div_ceil(2));
        }
        Ok(None)
    }

    /// Returns the place of the edge of the tree over the first `count` leaves, which must be there and at least one.
    fn edge(&mut self, count: usize) -> usize {
        if let Some(place) = self.edges.iter().position(|edge| edge.count == count) {
            return place;
        }
        let mut nodes = vec![self.levels[0][count - 1]];
        let mut width = count;
        while width > 1 {
            let (level, last) = (nodes.len() - 1, nodes[nodes.len() - 1]);
            // The last of an odd number is paired with itself.
            let left = if width % 2 == 1 { last } else { self.levels[level][width - 2] };
            nodes.push(merkle::root_from_branch(left, &[last], 0));
            width = width.div_ceil(2);
        }
        if self.edges.len() == EDGES {
            self.edges.remove(0);
        }
        self.edges.push(Edge { count, nodes });
        self.edges.len() - 1
    }

    /// Returns how many headers are to be added before there can be a proof against `cp_height`.
    pub(crate) fn missing(&self, cp_height: Height) -> usize {
        (cp_height as usize + 1).saturating_sub(self.len())
    }

    /// Adds up to `count` of the view's headers. Tells whether all are there.
    pub(crate) fn grow(&mut self, view: &dyn ChainView, count: usize) -> Result<bool, StoreError> {
        self.agree_with(view)?;
        for _ in 0..count {
            let Some(leaf) = leaf(view, self.len())? else { return Ok(true) };
            self.push(leaf);
        }
        Ok(false)
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
            self.edges.retain(|edge| edge.count <= agreed);
        }
        Ok(())
    }
}

fn leaf(view: &dyn ChainView, index: usize) -> Result<Option<Node>, StoreError> {
    let Ok(height) = Height::try_from(index) else { return Ok(None) };
    Ok(view.block_hash(height)?.map(|hash| hash.to_byte_array()))
}
