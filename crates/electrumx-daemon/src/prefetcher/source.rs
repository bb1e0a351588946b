//! The prefetcher as the block processor sees it.

use std::sync::Arc;

use bitcoin::BlockHash;
use electrumx_core::{BlockId, BlockSource, Height, RawBlock, SourceError, SourceTip};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

use super::PrefetchConfig;
use super::budget::Budget;
use super::fetch::fetch;
use super::hashes::gone;
use crate::Daemon;

/// Fetches blocks ahead of the block processor.
///
/// Its methods block: use it from a plain thread, never from a task of the runtime (they would panic). All of them wait for a node
/// that is away, and end at once when the [`Daemon`]'s token is cancelled.
#[derive(Debug)]
pub struct Prefetcher {
    daemon: Daemon,
    runtime: Handle,
    config: PrefetchConfig,
    /// The tip, if the node was asked for it since the last start.
    tip: Option<BlockId>,
    run: Option<Run>,
}

/// A range being fetched.
#[derive(Debug)]
struct Run {
    queue: UnboundedReceiver<RawBlock>,
    budget: Arc<Budget>,
    task: AbortOnDropHandle<Result<(), SourceError>>,
}

impl Prefetcher {
    /// Makes a prefetcher whose tasks run on `runtime`.
    #[must_use]
    pub fn new(daemon: Daemon, runtime: Handle, config: PrefetchConfig) -> Self {
        Self { daemon, runtime, config, tip: None, run: None }
    }

    /// Returns the hash of the block that is the whole range, if that is the tip that the node has just told.
    pub(crate) fn known_hash(&mut self, from: Height, to: Height) -> Option<BlockHash> {
        let tip = self.tip.take()?;
        (from == to && to == tip.height).then_some(tip.hash)
    }
}

impl BlockSource for Prefetcher {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        let info = self.runtime.block_on(self.daemon.blockchain_info())?;
        self.tip = Some(info.tip);
        Ok(SourceTip { id: info.tip, syncing: info.initial_block_download })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        Ok(self.runtime.block_on(self.daemon.block_hash(height))?)
    }

    fn start(&mut self, from: Height, to: Height) {
        self.run = None; // aborts its tasks
        let (sender, queue) = unbounded_channel();
        let budget = Arc::new(Budget::new(self.config.queue_bytes));
        // No chain is 2^32 blocks long: the last height may be left out.
        let heights = from..to.saturating_add(1);
        let known = self.known_hash(from, to);
        let work = fetch(self.daemon.clone(), heights, known, self.config, budget.clone(), sender);
        let task = AbortOnDropHandle::new(self.runtime.spawn(work));
        self.run = Some(Run { queue, budget, task });
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        let token = self.daemon.token();
        if token.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let Some(run) = &mut self.run else { return Ok(None) };
        if let Some(block) = run.queue.blocking_recv() {
            run.budget.take(block.bytes.len());
            return Ok(Some(block));
        }
        // The task has ended; it says why.
        let Some(run) = self.run.take() else { return Ok(None) };
        self.runtime.block_on(run.task).map_err(gone)?.map(|()| None)
    }
}
