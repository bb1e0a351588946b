//! The best chain, to judge by the headers alone.

use bitcoin::{BlockHash, CompactTarget};
use electrumx_core::coin::ChainLink;
use electrumx_core::{BlockId, Height};
use rustc_hash::FxHashMap;

use super::index::{Index, Record};

/// The chain from the genesis block on with the most work in it; of equal ones the one seen first.
///
/// It follows an [`Index`], by the numbers of its blocks.
#[derive(Debug)]
pub(super) struct BestChain {
    genesis: BlockHash,
    /// What is known of each block, by its number.
    blocks: Vec<Standing>,
    /// Blocks whose predecessor was not seen yet, by its hash.
    waiting: FxHashMap<BlockHash, Vec<u32>>,
    /// The best chain's blocks by height.
    chain: Vec<u32>,
    /// Targets hold for many blocks.
    last_work: (CompactTarget, u128),
}

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// `None` without a chain down to the genesis block.
    height: Option<Height>,
    /// The work of all blocks up to it.
    work: u128,
}

impl BestChain {
    pub(super) fn new(genesis: BlockHash) -> Self {
        let none = CompactTarget::from_consensus(0);
        Self {
            genesis,
            blocks: Vec::new(),
            waiting: FxHashMap::default(),
            chain: Vec::new(),
            last_work: (none, ChainLink::work(none)),
        }
    }

    /// Takes in the blocks that are new in the index.
    pub(super) fn follow(&mut self, index: &Index) {
        for number in self.blocks.len()..index.len() as usize {
            let Ok(number) = u32::try_from(number) else { return };
            let Some(record) = index.get(number) else { return };
            self.blocks.push(Standing { height: None, work: 0 });
            let parent = index.number(&record.prev_hash);
            let parent = parent.and_then(|parent| self.blocks.get(parent as usize)).copied();
            match parent {
                _ if record.hash == self.genesis => self.connect(index, number, None),
                Some(Standing { height: Some(height), work }) => {
                    self.connect(index, number, Some((height, work)));
                }
                _ => self.waiting.entry(record.prev_hash).or_default().push(number),
            }
        }
    }

    /// Gives a block its place, and all that waited for it.
    fn connect(&mut self, index: &Index, number: u32, parent: Option<(Height, u128)>) {
        let mut todo = vec![(number, parent)];
        while let Some((number, parent)) = todo.pop() {
            let Some(&Record { hash, target, .. }) = index.get(number) else { continue };
            let (height, before) = match parent {
                Some((height, work)) => (height + 1, work),
                None => (0, 0),
            };
            let work = before.saturating_add(self.work(target));
            if let Some(standing) = self.blocks.get_mut(number as usize) {
                *standing = Standing { height: Some(height), work };
            }
            if work > self.best_work() {
                self.switch_to(index, number, height);
            }
            let waited = self.waiting.remove(&hash).unwrap_or_default();
            // The last one is worked on first: the one seen first is to be that.
            todo.extend(waited.into_iter().rev().map(|child| (child, Some((height, work)))));
        }
    }

    fn work(&mut self, target: CompactTarget) -> u128 {
        if self.last_work.0 != target {
            self.last_work = (target, ChainLink::work(target));
        }
        self.last_work.1
    }

    fn best_work(&self) -> u128 {
        let tip = self.chain.last().and_then(|&tip| self.blocks.get(tip as usize));
        tip.map_or(0, |standing| standing.work)
    }

    /// Makes a block the last one of the best chain.
    fn switch_to(&mut self, index: &Index, tip: u32, height: Height) {
        self.chain.resize(height as usize + 1, u32::MAX);
        let mut number = tip;
        for place in self.chain.iter_mut().rev() {
            if *place == number {
                break;
            }
            *place = number;
            let parent = index.get(number).and_then(|record| index.number(&record.prev_hash));
            // Blocks with a height have all that is below them.
            let Some(parent) = parent else { break };
            number = parent;
        }
    }

    /// Returns the last block; `None` without a genesis block.
    pub(super) fn tip(&self, index: &Index) -> Option<BlockId> {
        let height = Height::try_from(self.chain.len().checked_sub(1)?).ok()?;
        Some(BlockId { height, hash: self.hash(index, height)? })
    }

    /// Returns the hash at a height; `None` above the tip.
    pub(super) fn hash(&self, index: &Index, height: Height) -> Option<BlockHash> {
        let number = *self.chain.get(height as usize)?;
        index.get(number).map(|record| record.hash)
    }

    /// Returns the numbers of the blocks from a height on, at most up to another one.
    pub(super) fn numbers(&self, from: Height, to: Height) -> Vec<u32> {
        let end = self.chain.len().min((to as usize).saturating_add(1));
        self.chain.get(from as usize..end).map(<[u32]>::to_vec).unwrap_or_default()
    }
}
