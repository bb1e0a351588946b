//! Proofs that a header is in the chain, from a tree that grows with it.

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::merkle::{self, Node};
use electrumx_core::{BlockId, ChainView, Height, StoreError};

use crate::stats::CacheStats;

/// Edges that are kept: clients ask for proofs against their few checkpoints.
const EDGES: usize = 16;

/// Levels that are not kept: nodes below are made of block hashes, [`GROUP`] at a time.
const UNKEPT: usize = 2;
/// Block hashes below a node of the lowest level that is kept.
const GROUP: usize = 1 << UNKEPT;

/// The last node of each level of the tree over the first `count` leaves, lowest level first, the root last.
#[derive(Debug)]
struct Edge {
    count: usize,
    nodes: Vec<Node>,
}

/// The merkle tree over all block hashes: the complete nodes of its upper levels.
///
/// A node is kept once all leaves below it exist; such nodes change only by a reorg. A proof against any height takes from here
/// all but the lowest levels, made of four block hashes each time, and the O(log n) nodes at the right edge, which are kept for some
/// heights. Memory: 16 bytes a block, 16 MB at a million.
///
/// # Correctness
///
/// Before use the tree is cut back to where it agrees with the view, found by comparing from the top: since a hash commits to
/// all before it, below the first match all match.
#[derive(Default, Debug)]
pub(crate) struct HeaderMerkle {
    levels: Vec<Vec<Node>>,
    /// The last block below the nodes.
    last: Option<BlockHash>,
    edges: Vec<Edge>,
    /// The tip of the view that was compared last.
    agreed: Option<BlockId>,
    /// Proofs for which nothing had to be added, and others.
    hits: u64,
    misses: u64,
}

impl HeaderMerkle {
    /// Makes a tree of its levels, which are over blocks up to `last`.
    pub(crate) fn of_levels(levels: Vec<Vec<Node>>, last: BlockHash) -> Self {
        Self { levels, last: Some(last), ..Self::default() }
    }

    /// Returns the levels, lowest first, and the last block they are over; `None` for an empty tree.
    pub(crate) fn levels(&self) -> Option<(&[Vec<Node>], BlockHash)> {
        let last = self.last.filter(|_| self.len() > 0)?;
        // Levels that a reorg emptied are still there.
        let count = self.levels.iter().take_while(|nodes| !nodes.is_empty()).count();
        Some((&self.levels[..count], last))
    }

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
        let missing = self.missing(cp_height);
        *(if missing == 0 { &mut self.hits } else { &mut self.misses }) += 1;
        for _ in 0..missing {
            if !self.grow_by_one(view)? {
                return Ok(None);
            }
        }
        let count = cp_height as usize + 1;
        let (mut index, mut width) = (height as usize, count);
        let first = index / GROUP * GROUP;
        let Some(leaves) = leaves(view, first..(first + GROUP).min(count))? else {
            return Ok(None);
        };
        let group = group(leaves);
        let Some(edge) = self.edge(view, count)? else { return Ok(None) };
        let mut branch = Vec::with_capacity(24);
        for last in &self.edges[edge].nodes {
            let (level, sibling) = (branch.len(), (index ^ 1).min(width - 1));
            if width == 1 {
                return Ok(Some((branch, *last)));
            }
            branch.push(if sibling == width - 1 {
                *last
            } else if level < UNKEPT {
                group[level][sibling % (GROUP >> level)]
            } else {
                self.levels[level - UNKEPT][sibling]
            });
            (index, width) = (index / 2, width.div_ceil(2));
        }
        Ok(None)
    }

    /// Returns the place of the edge of the tree over the first `count` leaves, which must be there and at least one.
    fn edge(&mut self, view: &dyn ChainView, count: usize) -> Result<Option<usize>, StoreError> {
        if let Some(place) = self.edges.iter().position(|edge| edge.count == count) {
            return Ok(Some(place));
        }
        let first = (count - 1) / GROUP * GROUP;
        let Some(leaves) = leaves(view, first..count)? else { return Ok(None) };
        let group = group(leaves);
        let mut nodes = Vec::with_capacity(24);
        nodes.push(group[0][(count - 1) % GROUP]);
        let mut width = count;
        while width > 1 {
            let (level, last) = (nodes.len() - 1, nodes[nodes.len() - 1]);
            // The last of an odd number is paired with itself.
            let left = if width % 2 == 1 {
                last
            } else if level < UNKEPT {
                group[level][(width - 2) % (GROUP >> level)]
            } else {
                self.levels[level - UNKEPT][width - 2]
            };
            nodes.push(merkle::root_from_branch(left, &[last], 0));
            width = width.div_ceil(2);
        }
        if self.edges.len() == EDGES {
            self.edges.remove(0);
        }
        self.edges.push(Edge { count, nodes });
        Ok(Some(self.edges.len() - 1))
    }

    /// Returns how many nodes are to be added before there can be a proof against `cp_height`.
    pub(crate) fn missing(&self, cp_height: Height) -> usize {
        ((cp_height as usize + 1) / GROUP).saturating_sub(self.len())
    }

    /// Adds up to `count` nodes for the view's blocks. Tells whether all are there.
    pub(crate) fn grow(&mut self, view: &dyn ChainView, count: usize) -> Result<bool, StoreError> {
        self.agree_with(view)?;
        for _ in 0..count {
            if !self.grow_by_one(view)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            name: "header tree",
            hits: self.hits,
            misses: self.misses,
            entries: self.len() * GROUP,
            bytes: self.levels.iter().map(|nodes| nodes.capacity() * size_of::<Node>()).sum(),
        }
    }

    /// Returns how many nodes of the lowest level there are.
    pub(crate) fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Adds the node of the next blocks; `false` when there are not enough.
    fn grow_by_one(&mut self, view: &dyn ChainView) -> Result<bool, StoreError> {
        let first = self.len() * GROUP;
        let Some(leaves) = leaves(view, first..first + GROUP)? else { return Ok(false) };
        let last = leaves.last().copied();
        self.push(top(leaves));
        self.last = last.map(BlockHash::from_byte_array);
        Ok(true)
    }

    fn push(&mut self, node: Node) {
        let mut node = node;
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
        let tip = view.tip();
        if self.agreed == tip {
            return Ok(());
        }
        let known = tip.map_or(0, |tip| tip.height as usize + 1) / GROUP;
        let common = self.len().min(known);
        let mut agreed = common;
        if common < self.len() || last_below(view, common)? != self.last {
            while agreed > 0 && node(view, agreed - 1)? != self.levels[0].get(agreed - 1).copied() {
                agreed -= 1;
            }
        }
        // A view older than the tree is not a reorg: only a difference is.
        if agreed < common {
            for (level, nodes) in self.levels.iter_mut().enumerate() {
                nodes.truncate(agreed >> level);
            }
            self.last = last_below(view, agreed)?;
        }
        // Blocks above the nodes may have changed as well.
        let same = self.agreed.is_some_and(|agreed| {
            tip.is_some_and(|tip| tip.height >= agreed.height)
                && view.block_hash(agreed.height).is_ok_and(|hash| hash == Some(agreed.hash))
        });
        if !same {
            self.edges.clear();
        }
        self.agreed = tip;
        Ok(())
    }
}

/// Makes the view's node at a place of the lowest level.
fn node(view: &dyn ChainView, place: usize) -> Result<Option<Node>, StoreError> {
    Ok(leaves(view, place * GROUP..(place + 1) * GROUP)?.map(top))
}

/// Returns the hash of the last block below so many nodes.
fn last_below(view: &dyn ChainView, nodes: usize) -> Result<Option<BlockHash>, StoreError> {
    let last = (nodes * GROUP).checked_sub(1).and_then(|last| Height::try_from(last).ok());
    last.map_or(Ok(None), |last| view.block_hash(last))
}

/// Reads the hashes of consecutive blocks; `None` when there are not so many.
fn leaves(
    view: &dyn ChainView,
    blocks: std::ops::Range<usize>,
) -> Result<Option<Vec<Node>>, StoreError> {
    let mut leaves = Vec::with_capacity(GROUP);
    for block in blocks {
        let hash = Height::try_from(block).map_or(Ok(None), |height| view.block_hash(height))?;
        let Some(hash) = hash else { return Ok(None) };
        leaves.push(hash.to_byte_array());
    }
    Ok(Some(leaves))
}

/// Makes the levels that are not kept, of a whole group or of the last one; complete nodes only.
fn group(leaves: Vec<Node>) -> Vec<Vec<Node>> {
    let mut levels = vec![leaves];
    for level in 1..=UNKEPT {
        let pairs = levels[level - 1].as_chunks::<2>().0;
        levels.push(pairs.iter().map(|[l, r]| merkle::root_from_branch(*l, &[*r], 0)).collect());
    }
    levels
}

/// Returns the node above a whole group.
fn top(leaves: Vec<Node>) -> Node {
    group(leaves).pop().and_then(|nodes| nodes.first().copied()).unwrap_or_default()
}
