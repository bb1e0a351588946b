//! Reads of the index: small ones at once, others on a bounded blocking pool, each from one snapshot.
//!
//! # Correctness
//!
//! - What is read at once keeps a thread of the runtime: it is bounded ([`Effort::Little`]), waits for no lock that is
//!   held for long, and is not tried for a while after it was slow ([`Pace`]).
//! - No snapshot lives across an `.await`: a read opens one, collects, and closes it.
//! - A [`Snapshot`] takes the mempool lock first and opens the view under it, so the view's tip is
//!   never behind the mempool's by more than what the indexer itself is.
//! - [`Stamp`]s order snapshots by the state they show; see [`Reader::snapshot`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use electrumx_core::mempool::Mempool;
use electrumx_core::merkle::Node;
use electrumx_core::{ChainView, HashXKey, Height, Index, StoreError};
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::block_tree::BlockTrees;
use crate::config::ServiceConfig;
use crate::error::RpcError;
use crate::header_chunk::HeaderChunks;
use crate::header_file;
use crate::header_merkle::HeaderMerkle;
use crate::pace::Pace;
use crate::script_cache::ScriptCache;
use crate::stats::CacheStats;

/// What reads need, and nothing of sessions.
pub(crate) struct Reader {
    index: Arc<dyn Index>,
    mempool: Arc<RwLock<Mempool>>,
    key: HashXKey,
    clock: Mutex<u64>,
    header_merkle: Mutex<HeaderMerkle>,
    header_file: Option<HeaderFile>,
    scripts: ScriptCache,
    block_trees: BlockTrees,
    header_chunks: HeaderChunks,
    pace: Pace,
    permits: Arc<Semaphore>,
    /// How many permits there are.
    max_reads: usize,
    long_permits: Semaphore,
    timeout: Duration,
    max_history: usize,
}

/// Most outputs of a script that are read at once: so many read some hundred pages at most.
const LITTLE_HISTORY: usize = 50;
/// Most outputs of a script that are read as others are: their list is an answer of less than half a megabyte.
const USUAL_HISTORY: usize = 4_000;
/// Long histories that are read at the same time: memory for each is some 50 bytes an output, and others are not to wait.
const LONG_READS: usize = 2;
/// Most nodes that are added at once to the tree over all headers.
const LITTLE_MISSING: usize = 5;
/// Nodes added to that tree without a pause for those who want proofs.
const FILLED_AT_ONCE: usize = 500;
/// So many nodes more than in its file, for four blocks each, and it is saved again.
const UNSAVED: usize = 250;

/// Where the tree over all headers is kept.
struct HeaderFile {
    path: PathBuf,
    /// Length of the tree that was saved last. Locked while saving.
    saved: Mutex<usize>,
}

/// How much a read may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// What takes microseconds from memory; else the read is [`RpcError::Later`].
    Little,
    /// What does not take long: else the read is [`RpcError::Later`].
    Usual,
    /// Whatever it takes.
    Whole,
}

impl Effort {
    /// Returns how many outputs of a script may be read; `None` where that is not for the effort to say.
    pub(crate) const fn outputs(self) -> Option<usize> {
        match self {
            Self::Little => Some(LITTLE_HISTORY),
            Self::Usual => Some(USUAL_HISTORY),
            Self::Whole => None,
        }
    }
}

/// When a snapshot was taken: of two, the one with the larger stamp shows the same state or a later
/// one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Stamp(u64);

impl Reader {
    pub(crate) fn new(
        index: Arc<dyn Index>,
        mempool: Arc<RwLock<Mempool>>,
        config: &ServiceConfig,
    ) -> Result<Self, StoreError> {
        let limits = &config.limits;
        let max_reads = limits.max_concurrent_reads.clamp(1, 1024);
        let tip = index.view()?.tip();
        let header_merkle =
            config.header_tree.as_deref().map(header_file::load).unwrap_or_default();
        let header_file = config
            .header_tree
            .clone()
            .map(|path| HeaderFile { path, saved: Mutex::new(header_merkle.len()) });
        Ok(Self {
            key: index.hashx_key(),
            index,
            mempool,
            clock: Mutex::default(),
            header_merkle: Mutex::new(header_merkle),
            header_file,
            scripts: ScriptCache::new(&config.caches, tip),
            block_trees: BlockTrees::new(config.caches.block_trees),
            header_chunks: HeaderChunks::new(config.caches.headers),
            pace: Pace::default(),
            permits: Arc::new(Semaphore::new(max_reads)),
            max_reads,
            long_permits: Semaphore::new(LONG_READS),
            timeout: limits.request_timeout,
            max_history: limits.max_history,
        })
    }

    /// Reads at once with little effort; `None` when that is not enough, or not the time for it.
    pub(crate) fn at_once<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, RpcError>,
    ) -> Option<Result<T, RpcError>> {
        match self.pace.take(|| read(self))? {
            Err(RpcError::Later | RpcError::HistoryTooLarge) => None,
            done => Some(done),
        }
    }

    /// Reads at once if that does, else on the blocking pool, and if it takes long as one of a few.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Fn(&Self, Effort) -> Result<T, RpcError> + Clone + Send + 'static,
    ) -> Result<T, RpcError> {
        match self.at_once(|reader| read(reader, Effort::Little)) {
            Some(done) => done,
            None => match self.read_usual(read.clone()).await? {
                Some(done) => Ok(done),
                None => self.run_long(move |reader| read(reader, Effort::Whole)).await,
            },
        }
    }

    /// Reads on the blocking pool; `None` if that takes long.
    pub(crate) async fn read_usual<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Fn(&Self, Effort) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<Option<T>, RpcError> {
        match self.run(move |reader| read(reader, Effort::Usual)).await {
            Err(RpcError::Later) => Ok(None),
            Err(RpcError::HistoryTooLarge) if self.max_history > USUAL_HISTORY => Ok(None),
            done => done.map(Some),
        }
    }

    /// As [`run`](Self::run), for reads of which there may be only few at a time.
    pub(crate) async fn run_long<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let permit = tokio::time::timeout(self.timeout, self.long_permits.acquire());
        // The semaphore is never closed.
        let _permit = permit.await.map_err(|_| RpcError::Timeout)?;
        self.run(read).await
    }

    /// Runs a read on the blocking pool, when it has room.
    ///
    /// If the future is dropped or times out the read still runs to its end and keeps its place in
    /// the pool.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let reader = Arc::clone(self);
        let work = async move {
            // The semaphore is never closed.
            let permit = Arc::clone(&reader.permits).acquire_owned().await;
            let permit = permit.map_err(|_| RpcError::Internal)?;
            let task = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                read(&reader)
            });
            task.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a read of the index did not finish");
                Err(RpcError::Internal)
            })
        };
        tokio::time::timeout(self.timeout, work).await.unwrap_or(Err(RpcError::Timeout))
    }

    /// Returns a place in the pool for what nobody waits for: half of the places are left to others.
    pub(crate) fn spare_permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.permits.available_permits() <= self.max_reads / 2 {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    pub(crate) fn key(&self) -> HashXKey {
        self.key
    }

    /// Returns the most outputs, and the most transactions, of a script that may be read.
    pub(crate) fn max_history(&self, effort: Effort) -> usize {
        effort.outputs().map_or(self.max_history, |outputs| self.max_history.min(outputs))
    }

    /// Locks the mempool; with little effort it is [`RpcError::Later`] while it is being changed.
    pub(crate) fn mempool(&self, effort: Effort) -> Result<RwLockReadGuard<'_, Mempool>, RpcError> {
        match effort {
            Effort::Little => self.mempool.try_read().ok_or(RpcError::Later),
            Effort::Usual | Effort::Whole => Ok(self.mempool.read()),
        }
    }

    /// Returns a header's proof: see [`HeaderMerkle::proof`].
    pub(crate) fn header_proof(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        height: Height,
        cp_height: Height,
    ) -> Result<Option<(Vec<Node>, Node)>, RpcError> {
        let mut merkle = match effort {
            Effort::Usual | Effort::Whole => self.header_merkle.lock(),
            // The tree is being filled, or is to be.
            Effort::Little => {
                let merkle = self.header_merkle.try_lock();
                let is_filled = |merkle: &MutexGuard<'_, HeaderMerkle>| {
                    merkle.missing(cp_height) <= LITTLE_MISSING
                };
                merkle.filter(is_filled).ok_or(RpcError::Later)?
            }
        };
        Ok(merkle.proof(view, height, cp_height)?)
    }

    /// Fills the tree over all headers in pieces, so that nobody who asks for a proof has to wait for that.
    pub(crate) fn fill_header_merkle(&self) -> Result<(), StoreError> {
        let mut is_full = false;
        while !is_full {
            let view = self.index.view()?;
            is_full = self.header_merkle.lock().grow(&*view, FILLED_AT_ONCE)?;
        }
        self.save_header_merkle();
        Ok(())
    }

    /// Saves the tree if the file is far behind, or ahead.
    fn save_header_merkle(&self) {
        let Some(HeaderFile { path, saved }) = &self.header_file else { return };
        let mut saved = saved.lock();
        let (len, content) = {
            let tree = self.header_merkle.lock();
            let len = tree.len();
            if len >= *saved && len < *saved + UNSAVED.min(1 + *saved) {
                return;
            }
            (len, header_file::encode(&tree))
        };
        if let Some(content) = content
            && let Err(error) = header_file::save(path, &content)
        {
            tracing::warn!(%error, "the tree over all headers cannot be saved in {}", path.display());
        }
        *saved = len;
    }

    pub(crate) fn scripts(&self) -> &ScriptCache {
        &self.scripts
    }

    pub(crate) fn block_trees(&self) -> &BlockTrees {
        &self.block_trees
    }

    pub(crate) fn header_chunks(&self) -> &HeaderChunks {
        &self.header_chunks
    }

    pub(crate) fn cache_stats(&self) -> Vec<CacheStats> {
        let mut stats = self.scripts.stats().to_vec();
        stats.push(self.block_trees.stats());
        stats.push(self.header_chunks.stats());
        stats.push(self.header_merkle.lock().stats());
        stats
    }

    /// Opens a view of the chain alone.
    pub(crate) fn view(&self) -> Result<Box<dyn ChainView>, StoreError> {
        self.index.view()
    }

    /// Opens a view of the chain and copies what `take` wants of the mempool.
    ///
    /// With little effort it is [`RpcError::Later`] while the mempool is being changed.
    ///
    /// The mempool stays locked while `take` runs, so it must be short; the view can be used as
    /// long as needed.
    ///
    /// Stamps are drawn and views opened under one lock, so later stamps see later chains. They
    /// also see later mempools: a mempool cannot change between two overlapping read locks, and if
    /// they do not overlap then the earlier lock's stamp was drawn earlier.
    pub(crate) fn snapshot<T>(
        &self,
        effort: Effort,
        take: impl FnOnce(&Mempool, &dyn ChainView) -> Result<T, StoreError>,
    ) -> Result<Snapshot<T>, RpcError> {
        Ok(self.snapshot_under(&*self.mempool(effort)?, take)?)
    }

    /// As [`snapshot`](Self::snapshot), waiting for the mempool.
    pub(crate) fn whole_snapshot<T>(
        &self,
        take: impl FnOnce(&Mempool, &dyn ChainView) -> Result<T, StoreError>,
    ) -> Result<Snapshot<T>, StoreError> {
        self.snapshot_under(&self.mempool.read(), take)
    }

    fn snapshot_under<T>(
        &self,
        mempool: &Mempool,
        take: impl FnOnce(&Mempool, &dyn ChainView) -> Result<T, StoreError>,
    ) -> Result<Snapshot<T>, StoreError> {
        let (stamp, view) = {
            let mut clock = self.clock.lock();
            *clock += 1;
            (Stamp(*clock), self.index.view()?)
        };
        let unconfirmed = take(mempool, &*view)?;
        Ok(Snapshot { stamp, view, unconfirmed })
    }
}

/// The chain, and a part of the mempool, at one moment.
pub(crate) struct Snapshot<T> {
    pub(crate) stamp: Stamp,
    pub(crate) view: Box<dyn ChainView>,
    pub(crate) unconfirmed: T,
}
