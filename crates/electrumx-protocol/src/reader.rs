//! Reads of the index: on a bounded blocking pool, each from one snapshot.
//!
//! # Correctness
//!
//! - No snapshot lives across an `.await`: a read opens one, collects, and closes it.
//! - A [`Snapshot`] takes the mempool lock first and opens the view under it, so the view's tip is
//!   never behind the mempool's by more than what the indexer itself is.
//! - [`Stamp`]s order snapshots by the state they show; see [`Reader::snapshot`].

use std::sync::Arc;
use std::time::Duration;

use electrumx_core::mempool::Mempool;
use electrumx_core::{ChainView, HashXKey, Index, StoreError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::block_tree::BlockTrees;
use crate::config::ServiceConfig;
use crate::error::RpcError;
use crate::header_merkle::HeaderMerkle;
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
    permits: Arc<Semaphore>,
    timeout: Duration,
    max_history: usize,
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
            permits: Arc::new(Semaphore::new(limits.max_concurrent_reads.clamp(1, 1024))),
            timeout: limits.request_timeout,
            max_history: limits.max_history,
        })
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

    pub(crate) fn max_history(&self) -> usize {
        self.max_history
    }

    pub(crate) fn mempool(&self) -> &RwLock<Mempool> {
        &self.mempool
    }

    pub(crate) fn header_merkle(&self) -> &Mutex<HeaderMerkle> {
        &self.header_merkle
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
    /// The mempool stays locked while `take` runs, so it must be short; the view can be used as
    /// long as needed.
    ///
    /// Stamps are drawn and views opened under one lock, so later stamps see later chains. They
    /// also see later mempools: a mempool cannot change between two overlapping read locks, and if
    /// they do not overlap then the earlier lock's stamp was drawn earlier.
    pub(crate) fn snapshot<T>(
        &self,
        take: impl FnOnce(&Mempool, &dyn ChainView) -> Result<T, StoreError>,
    ) -> Result<Snapshot<T>, StoreError> {
        let mempool = self.mempool.read();
        let (stamp, view) = {
            let mut clock = self.clock.lock();
            *clock += 1;
            (Stamp(*clock), self.index.view()?)
        };
        let unconfirmed = take(&mempool, &*view)?;
        Ok(Snapshot { stamp, view, unconfirmed })
    }
}

/// The chain, and a part of the mempool, at one moment.
pub(crate) struct Snapshot<T> {
    pub(crate) stamp: Stamp,
    pub(crate) view: Box<dyn ChainView>,
    pub(crate) unconfirmed: T,
}
