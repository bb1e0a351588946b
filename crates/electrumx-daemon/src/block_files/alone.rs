//! Block files without a node.

use std::ops::ControlFlow;
use std::sync::Arc;

use bitcoin::BlockHash;
use electrumx_core::coin::Coin;
use electrumx_core::{BlockSource, Height, RawBlock, SourceError, SourceTip};
use tokio_util::sync::CancellationToken;

use super::best_chain::BestChain;
use super::read_ahead::{Outlet, ReadAhead};
use super::{BlockFiles, ScanProgress};

/// The chain that block files hold: of all chains in them the one with the most work.
///
/// [`tip`](BlockSource::tip) looks for new blocks. The rules of consensus are not checked, but for the proof of work: the
/// files are those of a node that did.
pub struct FilesAlone<C> {
    files: Arc<BlockFiles<C>>,
    chain: BestChain,
    queue_bytes: usize,
    observe: Box<dyn FnMut(ScanProgress) + Send>,
    stop: CancellationToken,
    run: Option<Result<ReadAhead, SourceError>>,
}

impl<C: Coin> FilesAlone<C> {
    /// Makes a source that lets `queue_bytes` of blocks wait for the block processor. `observe` is told of the looks into the
    /// files.
    #[must_use]
    pub fn new(
        files: Arc<BlockFiles<C>>,
        queue_bytes: usize,
        observe: impl FnMut(ScanProgress) + Send + 'static,
        stop: CancellationToken,
    ) -> Self {
        let chain = BestChain::new(files.coin.chain().genesis_hash());
        Self { files, chain, queue_bytes, observe: Box::new(observe), stop, run: None }
    }
}

impl<C: Coin> BlockSource for FilesAlone<C> {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        if self.stop.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let (observe, stop) = (&mut self.observe, &self.stop);
        self.files.refresh(&mut |progress| {
            observe(progress);
            if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let index = self.files.index.read();
        self.chain.follow(&index);
        let id = self.chain.tip(&index).ok_or_else(|| {
            let chain = self.files.coin.chain();
            let what = match index.len() {
                0 => format!("no block of {chain} is in {}", self.files.dir().display()),
                n => format!(
                    "{n} blocks of {chain} are in {}, but not its genesis block: the files of a pruned node do not suffice",
                    self.files.dir().display()
                ),
            };
            SourceError::Files { what, source: None }
        })?;
        Ok(SourceTip { id, syncing: false })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        Ok(self.chain.hash(&self.files.index.read(), height))
    }

    fn start(&mut self, from: Height, to: Height) {
        self.run = None; // ends its thread
        let numbers = self.chain.numbers(from, to);
        let (files, stop) = (Arc::clone(&self.files), self.stop.clone());
        let work = move |outlet: &Outlet| read(&files, (from..).zip(numbers), outlet, &stop);
        self.run = Some(ReadAhead::start(self.queue_bytes, work));
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        if self.stop.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        match &mut self.run {
            Some(Ok(run)) => run.next(),
            _ => self.run.take().map_or(Ok(None), |failed| failed.map(|_| None)),
        }
    }
}

impl<C> std::fmt::Debug for FilesAlone<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilesAlone").field("dir", &self.files.cabinet.dir).finish_non_exhaustive()
    }
}

fn read<C: Coin>(
    files: &BlockFiles<C>,
    blocks: impl Iterator<Item = (Height, u32)>,
    outlet: &Outlet,
    stop: &CancellationToken,
) -> Result<(), SourceError> {
    for (height, number) in blocks {
        if stop.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let hash = files.index.read().get(number).map(|record| record.hash);
        let Some(hash) = hash else { return Ok(()) };
        let bytes = files.block(&hash)?.ok_or_else(|| SourceError::Files {
            what: format!(
                "block {height} ({hash}) was in a file of {} that is gone",
                files.dir().display()
            ),
            source: None,
        })?;
        if !outlet.send(RawBlock { height, bytes }) {
            break;
        }
    }
    Ok(())
}
