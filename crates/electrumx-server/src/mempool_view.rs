//! Keeps the mempool view equal to the node's mempool: by listing it, and by following the node's feed.

mod load;
mod news;
mod standing;

use std::sync::Arc;

use electrumx_core::bitcoin::Txid;
use electrumx_core::coin::Bitcoin;
use electrumx_core::mempool::Mempool;
use electrumx_core::{BlockId, Index};
use electrumx_daemon::Daemon;
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

pub(crate) use electrumx_core::Touched;
pub(crate) use news::PoolEvent;
pub(crate) use standing::Haste;

use load::Loaded;
use news::News;
use standing::{Need, Standing};

/// The mempool view and what feeds it.
pub(crate) struct MempoolView {
    coin: Bitcoin,
    daemon: Daemon,
    index: Arc<dyn Index>,
    pool: Arc<RwLock<Mempool>>,
    /// Transactions accepted since the last listing began: that listing may lack them.
    accepted: Mutex<Vec<Txid>>,
    standing: Mutex<Standing>,
}

/// The outcome of a round.
pub(crate) enum Round {
    /// The view equals the node's mempool on top of the tip asked for.
    Consistent,
    /// It may differ; listing is due at this moment and would take too much of the time before.
    Deferred(Instant),
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
        let (accepted, standing) = (Mutex::default(), Mutex::default());
        Self { coin, daemon, index, pool, accepted, standing }
    }

    /// Returns the client of the node.
    pub(crate) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Brings the view up to date on top of `tip`, which must be the index's tip.
    ///
    /// The listing is left out when nothing suggests that the view differs. What changed is added to `touched`,
    /// also when it fails or the tip moved.
    pub(crate) async fn refresh(
        &self,
        tip: BlockId,
        haste: Haste,
        touched: &mut Touched,
    ) -> anyhow::Result<Round> {
        if self.daemon.is_none() {
            touched.extend(self.pool.write().apply(tip, &[], Vec::new()));
            return Ok(Round::Consistent);
        }
        let info = self.daemon.mempool_info().await?;
        if !info.loaded {
            return Ok(Round::NodeIsLoading);
        }
        let held = self.pool.read().len();
        match self.standing.lock().need(tip, &info, held, haste, Instant::now()) {
            Need::Nothing => return Ok(Round::Consistent),
            Need::ListingAt(at) => return Ok(Round::Deferred(at)),
            Need::Listing => {}
        }
        self.accepted.lock().clear();
        let began = Instant::now();
        let listing = self.daemon.sequenced_mempool().await?;
        let took = began.elapsed();
        let missing = self.pool.read().missing(&listing.txids);
        let Loaded { txs, complete } = self.load(missing, touched).await?;
        if self.daemon.best_block_hash().await? != tip.hash {
            return Ok(Round::TipMoved);
        }
        let mut listed = listing.txids;
        // Both under the lock, or a broadcast in between would be dropped as unlisted.
        let mut pool = self.pool.write();
        listed.extend_from_slice(&self.accepted.lock());
        touched.extend(pool.apply(tip, &listed, txs));
        drop(pool);
        let now = Instant::now();
        self.standing.lock().listed(tip, info, listing.sequence, complete, took, now);
        Ok(Round::Consistent)
    }

    /// Takes over what the node's feed says has changed since the last listing on top of `tip`.
    ///
    /// Returns when a listing is due if the view does not equal the node's mempool for sure now. What
    /// changed is added to `touched`.
    pub(crate) async fn follow(
        &self,
        tip: BlockId,
        events: &[PoolEvent],
        touched: &mut Touched,
    ) -> anyhow::Result<Option<Instant>> {
        let next = self.standing.lock().next_event(tip);
        let Some(news) = next.and_then(|next| News::read(next, events)) else {
            return Ok(Some(self.standing.lock().lose_count()));
        };
        let missing = self.pool.read().missing(&news.added);
        // One that is gone already is told of by another event, or by a block.
        let resolved = self.resolve(self.fetch(&missing).await?).await?;
        let mut complete = resolved.unresolved.is_empty();
        let mut pool = self.pool.write();
        let view = self.index.view()?;
        let mut added = Vec::with_capacity(resolved.txs.len());
        for tx in resolved.txs {
            // A node with an index of its own returns mined transactions, too.
            if view.tx_num(&tx.0)?.is_none() {
                added.push(tx);
            }
        }
        touched.extend(pool.insert(added));
        // What was replaced left when the replacement came in; what left for another reason takes a listing.
        complete &= !news.removed.iter().any(|txid| pool.tx(txid).is_some());
        drop(pool);
        Ok(self.standing.lock().followed(news.next, complete))
    }

    /// Notes whether the node's feed is connected. Whatever happened before counts as missed.
    pub(crate) fn feed_is(&self, connected: bool) {
        self.standing.lock().feed_is(connected);
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
}
