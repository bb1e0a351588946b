//! The processor's private caches: blocks not yet committed, and recent outputs.

use bitcoin::OutPoint;
use rustc_hash::FxHashMap;
use std::time::Instant;

use crate::delta::BlockDelta;
use crate::position::TxNum;
use crate::store::OutputRow;

/// Blocks that wait for the next commit.
#[derive(Default, Debug)]
pub(super) struct ChainCache {
    blocks: Vec<BlockDelta>,
    bytes: usize,
    since: Option<Instant>,
}

impl ChainCache {
    pub(super) fn push(&mut self, block: BlockDelta) {
        self.bytes += block.memory_bytes();
        self.since.get_or_insert_with(Instant::now);
        self.blocks.push(block);
    }

    pub(super) fn blocks(&self) -> &[BlockDelta] {
        &self.blocks
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest waiting block came in.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// An output and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachedOutput {
    pub(super) tx_num: TxNum,
    pub(super) row: OutputRow,
}

/// Recent unspent outputs in two generations: when the young one is full it becomes the old one, and
/// the old one's outputs are left to the store.
///
/// Outputs of blocks not yet committed are always in the young generation, for the store cannot
/// answer for them: generations change at commits only.
#[derive(Debug)]
pub(super) struct UtxoCache {
    young: FxHashMap<OutPoint, CachedOutput>,
    old: FxHashMap<OutPoint, CachedOutput>,
    generation_limit: usize,
}

/// Bytes of an entry in a hash map that is three quarters full.
const ENTRY_BYTES: usize = (size_of::<(OutPoint, CachedOutput)>() + 1) * 4 / 3;

impl UtxoCache {
    pub(super) fn new(limit_bytes: usize) -> Self {
        let generation_limit = limit_bytes / ENTRY_BYTES / 2;
        Self { young: FxHashMap::default(), old: FxHashMap::default(), generation_limit }
    }

    pub(super) fn insert(&mut self, outpoint: OutPoint, output: CachedOutput) {
        self.young.insert(outpoint, output);
    }

    /// Takes an output out: it is spent.
    pub(super) fn spend(&mut self, outpoint: &OutPoint) -> Option<CachedOutput> {
        self.young.remove(outpoint).or_else(|| self.old.remove(outpoint))
    }

    /// Tells the cache that the store now knows all it holds.
    pub(super) fn committed(&mut self) {
        if self.young.len() >= self.generation_limit {
            self.old = std::mem::take(&mut self.young);
        }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}
