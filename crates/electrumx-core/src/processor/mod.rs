//! The block processor: keeps a [`Store`] equal to the node's best chain.
//!
//! Generic over the coin (what parses differently), the store (where facts go) and the source (where
//! blocks come from). Synchronous: it runs on a thread of its own, which is also the only one that
//! writes to the store.
//!
//! # Correctness
//!
//! - Blocks are committed in order, in batches; each commit carries its tip. What is not committed is
//!   lost on a crash and fetched again.
//! - The node decides: the index unwinds to the fork point and follows, whatever the heights.
//! - Nothing the node sends is trusted: linkage, merkle root and the existence of every spent
//!   transaction are checked before a block is committed.

mod advance;
mod caches;
mod error;
mod fork;
mod policy;
mod sync;
mod tracking;

pub use error::ProcessError;
pub use policy::FlushPolicy;
pub use sync::{BulkPhase, BulkProgress, Observer, Progress, Synced};

use std::sync::Arc;
use std::time::Instant;

use bitcoin::OutPoint;

use crate::changes::Touched;
use crate::coin::Coin;
use crate::position::{BlockId, Height, TxNum};
use crate::store::{ChainView, Store, StoreError};
use caches::{ChainCache, UtxoCache};
use tracking::Tracking;

/// Advances and unwinds the index.
pub struct Processor<C, S> {
    coin: C,
    store: Arc<S>,
    policy: FlushPolicy,
    chain: ChainCache,
    utxos: UtxoCache,
    /// The committed state, opened when first needed after a commit. It must be closed before the
    /// next one, or the store could not reuse its pages.
    view: Option<Box<dyn ChainView>>,
    /// Last block, committed or not.
    tip: Option<BlockId>,
    next_tx_num: TxNum,
    tracking: Option<Tracking>,
}

impl<C: Coin, S: Store> Processor<C, S> {
    /// Creates a processor that goes on from the store's tip.
    ///
    /// # Errors
    /// When the store cannot be read, or holds another chain than the coin's.
    pub fn new(coin: C, store: Arc<S>, policy: FlushPolicy) -> Result<Self, ProcessError> {
        let mut processor = Self {
            coin,
            store,
            utxos: UtxoCache::new(policy.utxo_cache_bytes),
            policy,
            chain: ChainCache::default(),
            view: None,
            tip: None,
            next_tx_num: TxNum(0),
            tracking: None,
        };
        processor.reset()?;
        let genesis = processor.coin.chain().genesis_hash();
        match processor.view()?.block_hash(0)? {
            Some(found) if found != genesis => {
                Err(ProcessError::WrongChain { found, wanted: genesis })
            }
            _ => Ok(processor),
        }
    }

    /// Returns the last block processed, committed or not.
    #[must_use]
    pub fn tip(&self) -> Option<BlockId> {
        self.tip
    }

    /// Returns the number of transactions up to the tip.
    #[must_use]
    pub fn tx_count(&self) -> u64 {
        self.next_tx_num.0
    }

    /// Starts to collect what blocks touch, for [`Synced::touched`] and [`Synced::blocks`].
    ///
    /// Off during the first sync, when nobody listens: it costs a look-up for each spent output.
    pub fn track_touched_scripts(&mut self) {
        self.tracking.get_or_insert_default();
    }

    /// Commits what is pending.
    ///
    /// # Errors
    /// When the store refuses. What was pending is then dropped and the processor stands at the
    /// store's tip again.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.chain.is_empty() {
            return Ok(());
        }
        self.view = None;
        let started = Instant::now();
        if let Err(err) = self.store.append(self.chain.blocks()) {
            self.reset()?;
            return Err(err);
        }
        tracing::debug!(
            blocks = self.chain.blocks().len(),
            millis = started.elapsed().as_millis(),
            "flushed"
        );
        self.chain.clear();
        self.utxos.committed();
        Ok(())
    }

    /// Removes all blocks above `height` from the index, committed or not; `None` removes all.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn unwind_to(&mut self, height: Option<Height>) -> Result<(), StoreError> {
        self.reset()?;
        let keep = height.map_or(0, |height| height + 1);
        if self.tip.is_none_or(|tip| tip.height < keep) {
            return Ok(());
        }
        self.touch_blocks_from(keep)?;
        self.view = None;
        self.store.unwind_to(height)?;
        self.reset()
    }

    /// Goes on from the store's tip, after something else has written to the store. What was pending is
    /// dropped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reload(&mut self) -> Result<(), StoreError> {
        self.reset()
    }

    /// Drops what is not committed.
    fn reset(&mut self) -> Result<(), StoreError> {
        self.chain.clear();
        self.utxos.clear();
        self.view = None;
        if let Some(tracking) = &mut self.tracking {
            tracking.reset();
        }
        let view = self.view()?;
        (self.tip, self.next_tx_num) = (view.tip(), TxNum(view.tx_count()));
        Ok(())
    }

    fn view(&mut self) -> Result<&dyn ChainView, StoreError> {
        let view = match self.view.take() {
            Some(view) => view,
            None => self.store.view()?,
        };
        Ok(&**self.view.insert(view))
    }

    /// Notes what the blocks from `height` to the tip touched: they are about to go.
    fn touch_blocks_from(&mut self, height: Height) -> Result<(), StoreError> {
        let Some(mut tracking) = self.tracking.take() else { return Ok(()) };
        let noted = self.view().and_then(|view| note_blocks(view, height, &mut tracking.touched));
        self.tracking = Some(tracking);
        noted
    }
}

fn note_blocks(
    view: &dyn ChainView,
    from: Height,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let tip = view.tip().map_or(0, |tip| tip.height);
    for height in from..=tip {
        let outputs = view.outputs(view.block_txs(height))?;
        touched.scripts.extend(outputs.iter().map(|(_, row)| row.hashx));
        touched.txs.extend(view.txids(view.block_txs(height))?);
        for output in view.block_spends(height)? {
            touched.scripts.extend(view.output(output)?.map(|row| row.hashx));
            let txid = view.txid(output.tx_num)?;
            touched.spent.extend(txid.map(|txid| OutPoint { txid, vout: output.vout }));
        }
    }
    Ok(())
}

impl<C, S> std::fmt::Debug for Processor<C, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Processor").field("tip", &self.tip).finish_non_exhaustive()
    }
}
