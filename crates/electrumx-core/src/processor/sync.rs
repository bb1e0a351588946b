//! Following the node: catch-up, tip and reorgs are one loop.

use super::tracking::Tracking;
use super::{ProcessError, Processor};
use crate::changes::{BlockTouches, Touched};
use crate::coin::Coin;
use crate::position::{BlockId, Height};
use crate::source::BlockSource;
use crate::store::Store;

/// Watches a [`Processor::sync`] and can stop it.
pub trait Observer {
    /// Tells whether to stop at the next block boundary.
    fn should_stop(&self) -> bool {
        false
    }

    /// A block was processed.
    fn advanced(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// A bulk job went on.
    fn bulk(&mut self, progress: &BulkProgress) {
        let _ = progress;
    }

    /// Blocks above `fork` are about to be removed, `depth` of them.
    fn reorganised(&mut self, fork: Option<BlockId>, depth: u32) {
        let _ = (fork, depth);
    }
}

impl Observer for () {}

/// A part of a bulk job and how far it is: see the storage crate's first sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BulkProgress {
    /// The part.
    pub phase: BulkPhase,
    /// Units done of this part, such as partitions; none when it begins.
    pub done: u64,
    /// Units of this part.
    pub total: u64,
}

/// The parts of a bulk job, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum BulkPhase {
    /// Copying headers and transaction ids of blocks that are indexed already.
    Blocks,
    /// Finding what has spent outputs that were not in memory any more.
    Join,
    /// Writing the outputs by script.
    Scripts,
    /// Writing the unspent outputs.
    Utxos,
    /// Writing the transaction ids' index.
    Txids,
    /// Changing to the new base.
    Switch,
}

/// Where a sync stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The last block processed.
    pub tip: BlockId,
    /// The height the node is known to have.
    pub target: Height,
    /// Transactions up to the tip.
    pub tx_count: u64,
    /// Bytes of the last block.
    pub block_bytes: usize,
}

/// The outcome of a sync.
#[derive(Default, Debug)]
pub struct Synced {
    /// The last block, committed; `None` while the index is empty.
    pub tip: Option<BlockId>,
    /// Whether that is the node's tip. If not, the sync was stopped, or the node keeps changing its
    /// mind: try again.
    pub at_node_tip: bool,
    /// Whether the node is behind the index on the same chain and catching up itself.
    pub node_is_behind: bool,
    /// What the blocks that came and went touched; empty unless
    /// [`Processor::track_touched_scripts`] was called.
    pub touched: Touched,
    /// The last blocks that came, in order, up to `tip`; empty unless
    /// [`Processor::track_touched_scripts`] was called. There may have been others before them, and
    /// blocks that went.
    pub blocks: Vec<BlockTouches>,
}

impl<C: Coin, S: Store> Processor<C, S> {
    /// Makes the index equal to the node's best chain, and commits.
    ///
    /// # Errors
    /// When node or store fail. What was committed stays; call again to go on. What was touched up to then is reported by the next
    /// sync that succeeds.
    pub fn sync<B: BlockSource>(
        &mut self,
        source: &mut B,
        observer: &mut impl Observer,
    ) -> Result<Synced, ProcessError> {
        let mut at_node_tip = false;
        let mut node_is_behind = false;
        let mut has_forked = false;
        while !observer.should_stop() {
            let node = source.tip()?;
            at_node_tip = self.tip == Some(node.id);
            if at_node_tip {
                break;
            }
            if node.syncing && self.is_ahead_of(node.id)? {
                node_is_behind = true;
                break;
            }
            let before = self.tip;
            // A longer chain mostly goes on from the tip, and its next block tells; only if it does not, where they part is asked for.
            let is_longer = self.tip.is_some_and(|tip| tip.height < node.id.height);
            let is_tried = is_longer && !has_forked;
            if !is_tried {
                let fork = self.fork_point(source)?;
                if fork != self.tip {
                    let height = fork.map_or(0, |fork| fork.height);
                    observer.reorganised(fork, self.tip.map_or(0, |tip| tip.height - height));
                    self.unwind_to(fork.map(|fork| fork.height))?;
                }
            }
            self.follow(source, node.id.height, observer)?;
            has_forked = self.tip == before;
            if has_forked && !is_tried {
                break; // No progress: the node changed its chain between two answers.
            }
        }
        self.view = None;
        let (touched, blocks) = self.tracking.as_mut().map(Tracking::take).unwrap_or_default();
        Ok(Synced { tip: self.tip, at_node_tip, node_is_behind, touched, blocks })
    }

    /// Processes and commits blocks up to `target`, or until the chain no longer extends the tip.
    fn follow<B: BlockSource>(
        &mut self,
        source: &mut B,
        target: Height,
        observer: &mut impl Observer,
    ) -> Result<(), ProcessError> {
        let from = self.tip.map_or(0, |tip| tip.height + 1);
        if from > target {
            return Ok(());
        }
        source.start(from, target);
        let followed = self.follow_blocks(source, target, observer);
        // Also after a failure: what is done is kept, and the next sync compares committed blocks.
        self.flush()?;
        followed
    }

    fn follow_blocks<B: BlockSource>(
        &mut self,
        source: &mut B,
        target: Height,
        observer: &mut impl Observer,
    ) -> Result<(), ProcessError> {
        while !observer.should_stop() {
            let Some(block) = source.next_block()? else { break };
            match self.advance(&block) {
                Err(ProcessError::NotExtending { .. }) => break,
                advanced => advanced?,
            }
            if let Some(tip) = self.tip {
                observer.advanced(&Progress {
                    tip,
                    target,
                    tx_count: self.tx_count(),
                    block_bytes: block.bytes.len(),
                });
            }
            if self.flush_is_due() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush_is_due(&self) -> bool {
        self.chain.bytes() >= self.policy.pending_bytes
            || self.chain.since().is_some_and(|since| since.elapsed() >= self.policy.interval)
    }

    /// Tells whether the node's tip is an older block of our own chain.
    fn is_ahead_of(&mut self, node: BlockId) -> Result<bool, ProcessError> {
        let below = self.tip.is_some_and(|tip| tip.height > node.height);
        Ok(below && self.view()?.block_hash(node.height)? == Some(node.hash))
    }
}
