//! Block files beside the node that writes them.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use bitcoin::BlockHash;
use electrumx_core::coin::Coin;
use electrumx_core::{BlockSource, Height, RawBlock, SourceError, SourceTip};
use tokio::runtime::Handle;

use super::BlockFiles;
use super::read_ahead::{Outlet, ReadAhead};
use crate::{Daemon, PrefetchConfig, Prefetcher};

/// The node is asked for hashes once for so many blocks, if the files hold them all.
const SEGMENT: Height = 1000;

/// So few blocks come from the node before the files have been looked at for the first time.
const FEW: Height = 144;

/// The node's best chain, its blocks from the node's files where they are there, and else from the node.
///
/// Like a [`Prefetcher`] it blocks: use it from a plain thread. As many bytes of blocks as [`PrefetchConfig`] says wait for the block
/// processor, and at most as many again while blocks come from the node.
#[derive(Debug)]
pub struct FilesWithNode<C> {
    files: Arc<BlockFiles<C>>,
    daemon: Daemon,
    runtime: Handle,
    config: PrefetchConfig,
    node: Prefetcher,
    /// The highest block handed out since the last start.
    delivered: Option<Height>,
    run: Option<Result<ReadAhead, SourceError>>,
}

impl<C: Coin> FilesWithNode<C> {
    /// Makes a source whose requests to the node run on `runtime`.
    #[must_use]
    pub fn new(
        files: Arc<BlockFiles<C>>,
        daemon: Daemon,
        runtime: Handle,
        config: PrefetchConfig,
    ) -> Self {
        let node = Prefetcher::new(daemon.clone(), runtime.clone(), config);
        Self { files, daemon, runtime, config, node, delivered: None, run: None }
    }
}

impl<C: Coin> BlockSource for FilesWithNode<C> {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        self.node.tip()
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        self.node.block_hash(height)
    }

    fn start(&mut self, from: Height, to: Height) {
        self.run = None; // ends its thread
        // Blocks that are asked for again may have been no good: the node has the last word.
        let again = self.delivered.take().filter(|&last| from <= last);
        let mut reader = Reader {
            files: Arc::clone(&self.files),
            daemon: self.daemon.clone(),
            runtime: self.runtime.clone(),
            config: self.config,
            told: false,
        };
        let known = self.node.known_hash(from, to).filter(|_| again.is_none());
        let work = move |outlet: &Outlet| match known {
            Some(hash) => reader.take_from_files(from, &[hash], outlet).map(drop),
            None => reader.read(from..=to, again, outlet),
        };
        self.run = Some(ReadAhead::start(self.config.queue_bytes, work));
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        if self.daemon.token().is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let block = match &mut self.run {
            Some(Ok(run)) => run.next()?,
            _ => self.run.take().map_or(Ok(None), |failed| failed.map(|_| None))?,
        };
        if let Some(block) = &block {
            self.delivered = self.delivered.max(Some(block.height));
        }
        Ok(block)
    }
}

/// What the reading thread has.
struct Reader<C> {
    files: Arc<BlockFiles<C>>,
    daemon: Daemon,
    runtime: Handle,
    config: PrefetchConfig,
    /// Whether trouble with the files was logged.
    told: bool,
}

/// Whether to go on with the range.
type Flow = ControlFlow<()>;

impl<C: Coin> Reader<C> {
    /// Reads blocks in order. Ends early where the node's chain ends or has changed, and when nobody wants them any more.
    fn read(
        &mut self,
        heights: RangeInclusive<Height>,
        again: Option<Height>,
        outlet: &Outlet,
    ) -> Result<(), SourceError> {
        let (mut from, to) = heights.into_inner();
        if let Some(last) = again {
            if self.take_from_node(from..=last.min(to), outlet)?.is_break() {
                return Ok(());
            }
            from = last.saturating_add(1);
        }
        if !self.files.is_scanned() {
            if to.saturating_sub(from) < FEW {
                return self.take_from_node(from..=to, outlet).map(drop);
            }
            self.look()?;
        }
        while from <= to {
            let last = to.min(from.saturating_add(SEGMENT - 1));
            if self.segment(from..=last, outlet)?.is_break() {
                break;
            }
            let Some(next) = last.checked_add(1) else { break };
            from = next;
        }
        Ok(())
    }

    /// Reads some blocks whose hashes fit into memory.
    fn segment(
        &mut self,
        heights: RangeInclusive<Height>,
        outlet: &Outlet,
    ) -> Result<Flow, SourceError> {
        let Some(hashes) = self.hashes(heights.clone())? else { return Ok(Flow::Break(())) };
        let in_files: Vec<bool> = hashes.iter().map(|hash| self.files.contains(hash)).collect();
        let mut from = *heights.start();
        for run in in_files.chunk_by(|a, b| a == b) {
            let hashes = &hashes[(from - heights.start()) as usize..][..run.len()];
            let next = from.saturating_add(Height::try_from(run.len()).unwrap_or(SEGMENT));
            let flow = if run[0] {
                self.take_from_files(from, hashes, outlet)?
            } else {
                self.take_from_node(from..=next - 1, outlet)?
            };
            if flow.is_break() {
                return Ok(flow);
            }
            from = next;
        }
        Ok(Flow::Continue(()))
    }

    /// Returns the hashes of the node's best chain; `None` where it is shorter.
    ///
    /// The headers in the files name what is below the last block; the node is asked where one is missing there.
    fn hashes(
        &mut self,
        heights: RangeInclusive<Height>,
    ) -> Result<Option<Vec<BlockHash>>, SourceError> {
        let (from, to) = heights.into_inner();
        let Some(last) = self.runtime.block_on(self.daemon.block_hash(to))? else {
            return Ok(None);
        };
        let mut descending = vec![last];
        let mut looked = false;
        while descending.len() <= (to - from) as usize {
            let index = self.files.index.read();
            while let Some(record) = descending.last().and_then(|hash| index.find(hash))
                && descending.len() <= (to - from) as usize
            {
                descending.push(record.prev_hash);
            }
            drop(index);
            if descending.len() > (to - from) as usize {
                break;
            }
            if !std::mem::replace(&mut looked, true) {
                self.look()?;
                continue;
            }
            let below = to - Height::try_from(descending.len()).unwrap_or(SEGMENT);
            let rest = self.runtime.block_on(self.daemon.block_hashes(from..below + 1))?;
            if rest.len() != (below + 1 - from) as usize {
                return Ok(None);
            }
            descending.extend(rest.into_iter().rev());
        }
        descending.reverse();
        Ok(Some(descending))
    }

    /// Learns what is new in the files. If they cannot be read, the node serves what they lack.
    fn look(&mut self) -> Result<(), SourceError> {
        let token = self.daemon.token();
        let seen = self.files.refresh(&mut |_| match token.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        if token.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        if let Err(error) = seen {
            self.tell(&error);
        }
        Ok(())
    }

    fn take_from_files(
        &mut self,
        from: Height,
        hashes: &[BlockHash],
        outlet: &Outlet,
    ) -> Result<Flow, SourceError> {
        for (height, hash) in (from..).zip(hashes) {
            if self.daemon.token().is_cancelled() {
                return Err(SourceError::Cancelled);
            }
            let bytes = match self.files.block(hash) {
                Ok(Some(bytes)) => Some(bytes),
                Ok(None) => self.runtime.block_on(self.daemon.raw_block(hash))?,
                Err(error) => {
                    self.tell(&error);
                    self.runtime.block_on(self.daemon.raw_block(hash))?
                }
            };
            let Some(bytes) = bytes else { return Ok(Flow::Break(())) };
            if !outlet.send(RawBlock { height, bytes }) {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }

    fn take_from_node(
        &self,
        heights: RangeInclusive<Height>,
        outlet: &Outlet,
    ) -> Result<Flow, SourceError> {
        tracing::debug!("blocks {} to {} come from the node", heights.start(), heights.end());
        let mut node = Prefetcher::new(self.daemon.clone(), self.runtime.clone(), self.config);
        node.start(*heights.start(), *heights.end());
        for _ in heights {
            let Some(block) = node.next_block()? else { return Ok(Flow::Break(())) };
            if !outlet.send(block) {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }

    /// Logs what is wrong with the files, once for each range of blocks.
    fn tell(&mut self, error: &super::BlockFilesError) {
        if !std::mem::replace(&mut self.told, true) {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "what the block files do not serve comes from the node");
        }
    }
}
