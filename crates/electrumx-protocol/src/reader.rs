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

use std::sync::Arc;
use std::time::Duration;

use electrumx_core::mempool::Mempool;
use electrumx_core::merkle::Node;
use electrumx_core::{ChainView, HashXKey, Height, Index, StoreError};
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::Semaphore;

use crate::block_tree::BlockTrees;
use crate::config::ServiceConfig;
use crate::error::RpcError;
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
    scripts: ScriptCache,
    block_trees: BlockTrees,
    pace: Pace,
    permits: Arc<Semaphore>,
    timeout: Duration,
    max_history: usize,
}

/// Most outputs of a script that are read at once: so many read some hundred pages at most.
const LITTLE_HISTORY: usize = 50;
/// Most headers that are added at once to the tree over them.
const LITTLE_MISSING: usize = 10;
/// Headers added to the tree without a pause for those who want proofs.
const FILLED_AT_ONCE: usize = 1_000;

/// How much a read may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// What takes microseconds from memory; else the read is [`RpcError::Later`].
    Little,
    /// Whatever it takes.
    Whole,
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
        let tip = index.view()?.tip();
        Ok(Self {
            key: index.hashx_key(),
            index,
            mempool,
            clock: Mutex::default(),
            header_merkle: Mutex::default(),
            scripts: ScriptCache::new(&config.caches, tip),
            block_trees: BlockTrees::new(config.caches.block_trees),
            pace: Pace::default(),
            permits: Arc::new(Semaphore::new(limits.max_concurrent_reads.clamp(1, 1024))),
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

    /// Reads at once if that does, else on the blocking pool.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Fn(&Self, Effort) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        match self.at_once(|reader| read(reader, Effort::Little)) {
            Some(done) => done,
            None => self.run(move |reader| read(reader, Effort::Whole)).await,
        }
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

    pub(crate) fn key(&self) -> HashXKey {
        self.key
    }

    /// Returns the most outputs, and the most transactions, of a script that may be read.
    pub(crate) fn max_history(&self, effort: Effort) -> usize {
        match effort {
            Effort::Little => self.max_history.min(LITTLE_HISTORY),
            Effort::Whole => self.max_history,
        }
    }

    pub(crate) fn mempool(&self) -> &RwLock<Mempool> {
        &self.mempool
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
            Effort::Whole => self.header_merkle.lock(),
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
        Ok(())
    }

    pub(crate) fn scripts(&self) -> &ScriptCache {
        &self.scripts
    }

    pub(crate) fn block_trees(&self) -> &BlockTrees {
        &self.block_trees
    }

    pub(crate) fn cache_stats(&self) -> Vec<CacheStats> {
        let mut stats = self.scripts.stats().to_vec();
        stats.push(self.block_trees.stats());
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
        let mempool = match effort {
            Effort::Little => self.mempool.try_read().ok_or(RpcError::Later)?,
            Effort::Whole => self.mempool.read(),
        };
        Ok(self.snapshot_under(&mempool, take)?)
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
