//! Keeps the mempool view equal to the node's mempool, one consistent round at a time.

use std::sync::Arc;

use anyhow::Context as _;
use electrumx_core::bitcoin::Txid;
use electrumx_core::coin::Bitcoin;
use electrumx_core::mempool::{Mempool, Resolved, Resolver};
use electrumx_core::{BlockId, Index, Touched};
use electrumx_daemon::{Daemon, DaemonError, MempoolInfo};
use parking_lot::{Mutex, RwLock};

/// Transactions fetched in one batch.
const FETCH: usize = 1_000;

/// The mempool view and what feeds it.
pub(crate) struct MempoolView {
    coin: Bitcoin,
    daemon: Daemon,
    index: Arc<dyn Index>,
    pool: Arc<RwLock<Mempool>>,
    /// Transactions accepted since the last listing began: that listing may lack them.
    accepted: Mutex<Vec<Txid>>,
    /// What the node said of its mempool when it was last listed.
    listed: Mutex<Option<(BlockId, MempoolInfo)>>,
}

/// The outcome of a round.
pub(crate) enum Round {
    /// The view equals the node's mempool on top of the tip asked for.
    Consistent {
        /// What changed.
        touched: Touched,
    },
    /// The node is still loading its mempool; the view stays as it was.
    NodeIsLoading,
    /// The node moved to another tip meanwhile.
    TipMoved,
}

impl MempoolView {
    pub(crate) fn new(
        coin: Bitcoin,
        daemon: Daemon,
        index: Arc<dyn Index>,
        pool: Arc<RwLock<Mempool>>,
    ) -> Self {
        let (accepted, listed) = (Mutex::default(), Mutex::default());
        Self { coin, daemon, index, pool, accepted, listed }
    }

    /// Brings the view up to date on top of `tip`, which must be the index's tip.
    ///
    /// Unless `full`, the listing is left out when the node's mempool has the same number of
    /// transactions, bytes and fees as at the last one.
    pub(crate) async fn refresh(&self, tip: BlockId, full: bool) -> anyhow::Result<Round> {
        let info = self.daemon.mempool_info().await?;
        if !info.loaded {
            return Ok(Round::NodeIsLoading);
        }
        if !full && self.listed.lock().as_ref() == Some(&(tip, info.clone())) {
            return Ok(Round::Consistent { touched: Touched::default() });
        }
        self.accepted.lock().clear();
        let listed = self.daemon.raw_mempool().await?;
        let missing = self.pool.read().missing(&listed);
        let raws = self.fetch(&missing).await?;
        if self.daemon.best_block_hash().await? != tip.hash {
            return Ok(Round::TipMoved);
        }
        let resolved = self.resolve(raws).await?;
        let incomplete = resolved.txs.len() < missing.len();
        let mut listed = listed;
        // Both under the lock, or a broadcast in between would be dropped as unlisted.
        let mut pool = self.pool.write();
        listed.extend_from_slice(&self.accepted.lock());
        let touched = pool.apply(tip, &listed, resolved.txs);
        drop(pool);
        // What could not be resolved is tried again in the next round.
        *self.listed.lock() = (!incomplete).then_some((tip, info));
        Ok(Round::Consistent { touched })
    }

    /// Puts a transaction that the node has just accepted into the view.
    ///
    /// Returns what it touches; `None` when its origins are not known yet: only a whole round
    /// can tell.
    pub(crate) async fn accept(&self, raw: Vec<u8>) -> anyhow::Result<Option<Touched>> {
        let resolved = self.resolve(vec![raw]).await?;
        let Some((txid, _)) = resolved.txs.first() else { return Ok(None) };
        let txid = *txid;
        let mut pool = self.pool.write();
        // A block may have confirmed it in the meantime.
        if self.index.view()?.tx_num(&txid)?.is_some() {
            return Ok(Some(Touched::default()));
        }
        self.accepted.lock().push(txid);
        Ok(Some(pool.insert(resolved.txs)))
    }

    /// Fetches raw transactions; those that left the node's mempool meanwhile are left out.
    async fn fetch(&self, txids: &[Txid]) -> Result<Vec<Vec<u8>>, DaemonError> {
        let mut raws = Vec::with_capacity(txids.len());
        for (done, chunk) in txids.chunks(FETCH).enumerate() {
            if done > 0 && done % 20 == 0 {
                tracing::info!(
                    "reading the mempool: {} of {} transactions",
                    done * FETCH,
                    txids.len()
                );
            }
            raws.extend(self.daemon.raw_transactions(chunk).await?.into_iter().flatten());
        }
        Ok(raws)
    }

    async fn resolve(&self, raws: Vec<Vec<u8>>) -> anyhow::Result<Resolved> {
        let (coin, index, pool) = (self.coin, Arc::clone(&self.index), Arc::clone(&self.pool));
        let resolve = move || {
            let raws = raws.iter().map(Vec::as_slice);
            let resolver = Resolver::parse(&coin, index.hashx_key(), raws)
                .context("the node sent a bad mempool transaction")?;
            // The mempool first: the snapshot must not be older than it.
            let pool = pool.read();
            Ok(resolver.resolve(&*index.view()?, &pool)?)
        };
        tokio::task::spawn_blocking(resolve)
            .await
            .context("resolving mempool transactions panicked")?
    }
}
