//! The confirmed part of scripts' histories and statuses, extended by each block.
//!
//! # Correctness
//!
//! All entries are those of one block, the cache's tip, and are used for and taken from views with
//! that very tip only. A block that extends the tip adds its own touches to the entries; it names
//! its predecessor by hash, so nothing in between can be missed. After anything else (a reorg,
//! blocks that were not reported) all entries are forgotten.

use std::sync::Arc;

use electrumx_core::history::{ConfirmedTx, StatusHasher};
use electrumx_core::{BlockId, BlockTouches, HashX};
use parking_lot::Mutex;

use crate::config::CacheSizes;
use crate::generations::Generations;
use crate::stats::CacheStats;

/// What is known of scripts as of one block.
#[derive(Debug)]
pub(crate) struct ScriptCache(Mutex<State>);

#[derive(Debug)]
struct State {
    tip: Option<BlockId>,
    statuses: Generations<HashX, ConfirmedStatus>,
    histories: Generations<HashX, ConfirmedHistory>,
}

/// The hash state after a script's confirmed entries.
#[derive(Clone, Debug)]
pub(crate) struct ConfirmedStatus {
    pub(crate) hasher: StatusHasher,
    /// How many outputs pay to the script: they are limited as well.
    pub(crate) outputs: usize,
}

/// A script's confirmed transactions in chain order.
#[derive(Clone, Debug)]
pub(crate) struct ConfirmedHistory {
    pub(crate) txs: Arc<Vec<ConfirmedTx>>,
    /// How many outputs pay to the script.
    pub(crate) outputs: usize,
    /// The outputs that are unspent; `None` after a block touched the script, since what it spent is not told.
    pub(crate) unspent: Option<Arc<[Unspent]>>,
}

/// An unspent output in a list that belongs to a history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unspent {
    /// Place of its transaction in the history.
    pub(crate) tx: u32,
    pub(crate) vout: u32,
    pub(crate) value: u64,
}

impl ConfirmedHistory {
    fn bytes(&self) -> usize {
        self.txs.capacity() * size_of::<ConfirmedTx>()
            + self.unspent.as_ref().map_or(0, |unspent| size_of_val(&**unspent))
            + size_of::<(HashX, Self)>()
    }
}

impl ScriptCache {
    /// Creates a cache of what is so at a tip.
    pub(crate) fn new(sizes: &CacheSizes, tip: Option<BlockId>) -> Self {
        Self(Mutex::new(State {
            tip,
            statuses: Generations::new(sizes.statuses),
            histories: Generations::new(sizes.histories),
        }))
    }

    /// Brings the entries to a later tip.
    pub(crate) fn advance(&self, tip: BlockId, blocks: &[BlockTouches]) {
        let mut state = self.0.lock();
        for block in blocks {
            state.advance(block);
        }
        if state.tip != Some(tip) {
            state.reset(tip);
        }
    }

    /// Returns a script's status, or else its history.
    pub(crate) fn status(
        &self,
        tip: Option<BlockId>,
        hashx: &HashX,
    ) -> (Option<ConfirmedStatus>, Option<ConfirmedHistory>) {
        let mut state = self.0.lock();
        if state.tip != tip {
            return (None, None);
        }
        match state.statuses.get(hashx).cloned() {
            None => (None, state.histories.get(hashx).cloned()),
            status => (status, None),
        }
    }

    /// Tells whether a script's status is kept, which is not a use of it.
    pub(crate) fn has_status(&self, hashx: &HashX) -> bool {
        self.0.lock().statuses.contains(hashx)
    }

    /// Keeps a script's status, and its history if it was read for that.
    pub(crate) fn put_status(
        &self,
        tip: Option<BlockId>,
        hashx: HashX,
        status: ConfirmedStatus,
        history: Option<ConfirmedHistory>,
    ) {
        let mut state = self.0.lock();
        if state.tip == tip {
            state.statuses.insert(hashx, status, size_of::<(HashX, ConfirmedStatus)>());
            if let Some(history) = history {
                state.put_history(hashx, history);
            }
        }
    }

    pub(crate) fn history(&self, tip: Option<BlockId>, hashx: &HashX) -> Option<ConfirmedHistory> {
        let mut state = self.0.lock();
        if state.tip == tip { state.histories.get(hashx).cloned() } else { None }
    }

    pub(crate) fn put_history(
        &self,
        tip: Option<BlockId>,
        hashx: HashX,
        history: ConfirmedHistory,
    ) {
        let mut state = self.0.lock();
        if state.tip == tip {
            state.put_history(hashx, history);
        }
    }

    pub(crate) fn stats(&self) -> [CacheStats; 2] {
        let state = self.0.lock();
        [state.statuses.stats("statuses"), state.histories.stats("histories")]
    }
}

impl State {
    fn put_history(&mut self, hashx: HashX, history: ConfirmedHistory) {
        let bytes = history.bytes();
        self.histories.insert(hashx, history, bytes);
    }

    fn advance(&mut self, block: &BlockTouches) {
        let extends = |tip: BlockId| {
            tip.hash == block.prev && tip.height.checked_add(1) == Some(block.id.height)
        };
        let is_whole = block.touches.iter().all(|touch| (touch.tx as usize) < block.txids.len());
        if !self.tip.is_some_and(extends) || !is_whole {
            return self.reset(block.id);
        }
        self.tip = Some(block.id);
        if self.statuses.is_empty() && self.histories.is_empty() {
            return;
        }
        for touch in &block.touches {
            let tx = ConfirmedTx { txid: block.txids[touch.tx as usize], height: block.id.height };
            self.statuses.change(&touch.hashx, |status| {
                status.hasher.push(&tx.txid, i64::from(tx.height));
                status.outputs += touch.outputs as usize;
                size_of::<(HashX, ConfirmedStatus)>()
            });
            self.histories.change(&touch.hashx, |history| {
                // Copies it only while an answer is being made of it.
                Arc::make_mut(&mut history.txs).push(tx);
                history.outputs += touch.outputs as usize;
                history.unspent = None;
                history.bytes()
            });
        }
    }

    fn reset(&mut self, tip: BlockId) {
        self.statuses.clear();
        self.histories.clear();
        self.tip = Some(tip);
    }
}
