//! Keeps the mempool view equal to the node's mempool: by listing it, and by following the node's feed.

mod broadcasts;
mod listing;
mod load;
mod news;
mod standing;

use std::sync::Arc;

use electrumx_core::bitcoin::Txid;
use electrumx_core::coin::Bitcoin;
use electrumx_core::mempool::{Difference, Mempool, MempoolTx, Resolved};
use electrumx_core::{BlockId, Index, StoreError};
use electrumx_daemon::{Daemon, DaemonError, RecentTxs};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

pub(crate) use broadcasts::Broadcast;
pub(crate) use electrumx_core::Touched;
pub(crate) use listing::Listing;
pub(crate) use news::PoolEvent;
pub(crate) use standing::Haste;

use broadcasts::{Broadcasts, Verdict};
use load::Loaded;
use news::News;
use standing::{Held, Need, Standing};

/// So few transactions are not worth another thread.
const FEW: usize = 16;

/// The mempool view and what feeds it.
pub(crate) struct MempoolView {
    coin: Bitcoin,
    daemon: Daemon,
    index: Arc<dyn Index>,
    pool: Arc<RwLock<Mempool>>,
    broadcasts: Broadcasts,
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
        let (broadcasts, standing) = (Broadcasts::default(), Mutex::default());
        Self { coin, daemon, index, pool, broadcasts, standing }
    }

    /// Returns the coin whose transactions these are.
    pub(crate) fn coin(&self) -> Bitcoin {
        self.coin
    }

    /// Returns the client of the node.
    pub(crate) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Brings the view up to date on top of `tip`, which must be the index's tip.
    ///
    /// `ahead` is a listing made a moment ago, if there is one; it is used if it was made on that tip. Otherwise the mempool
    /// is listed, unless nothing suggests that the view differs. What changed is added to `touched`,
    /// also when it fails or the tip moved.
    pub(crate) async fn refresh(
        &self,
        tip: BlockId,
        haste: Haste,
        ahead: Option<Listing>,
        touched: &mut Touched,
    ) -> anyhow::Result<Round> {
        if self.daemon.is_none() {
            let mut pool = self.pool.write();
            let gone = pool.difference(&[]).unlisted;
            touched.extend(pool.apply(tip, &gone, Vec::new()));
            return Ok(Round::Consistent);
        }
        let listing = match ahead.filter(|listing| listing.tip == tip.hash) {
            Some(listing) => listing,
            None => {
                let info = self.daemon.mempool_info().await?;
                if !info.loaded {
                    return Ok(Round::NodeIsLoading);
                }
                match self.standing.lock().need(tip, &info, self.held(), haste, Instant::now()) {
                    Need::Nothing => return Ok(Round::Consistent),
                    Need::ListingAt(at) => return Ok(Round::Deferred(at)),
                    Need::Listing => {}
                }
                let Some(listing) = self.list(info).await? else {
                    return Ok(Round::NodeIsLoading);
                };
                listing
            }
        };
        if listing.tip != tip.hash {
            return Ok(Round::TipMoved);
        }
        let Difference { missing, unlisted: mut gone } =
            self.pool.read().difference(&listing.mempool.txids);
        let is_whole = missing.is_empty();
        let Loaded { txs, mut complete } = self.load(missing, touched).await?;
        if !is_whole && self.daemon.best_block_hash().await? != tip.hash {
            return Ok(Round::TipMoved);
        }
        // Both under the lock, or a broadcast in between would be dropped as unlisted.
        let mut pool = self.pool.write();
        // Whether those left over are in the node's mempool only the next listing tells.
        complete &= self.broadcasts.listing_ends(&mut gone) == 0;
        touched.extend(pool.apply(tip, &gone, txs));
        drop(pool);
        self.standing.lock().listed(tip, &listing, complete, Instant::now());
        Ok(Round::Consistent)
    }

    /// Takes over what the node's feed says has changed since the last listing on top of `tip`. The node is asked for the
    /// transactions that are not among its `recent` ones.
    ///
    /// Returns when a listing is due if the view does not equal the node's mempool for sure now. What
    /// changed is added to `touched`. It waits for the disk where it has to, so it is not for a thread that serves others.
    pub(crate) async fn follow(
        &self,
        tip: BlockId,
        events: &[PoolEvent],
        recent: &RecentTxs,
        touched: &mut Touched,
    ) -> anyhow::Result<Option<Instant>> {
        let next = self.standing.lock().next_event(tip);
        let Some(news) = next.and_then(|next| News::read(next, events)) else {
            return Ok(Some(self.standing.lock().lose_count()));
        };
        let missing = self.pool.read().missing(&news.added);
        let raws = self.recent_or_fetched(&missing, recent).await?;
        let is_few = raws.len() <= FEW;
        let resolved = if is_few { self.resolver(raws)() } else { self.resolve(raws).await }?;
        let complete = resolved.unresolved.is_empty();
        let mut pool = self.pool.write();
        // A node with an index of its own returns mined transactions, too.
        let added = self.unconfirmed(resolved.txs)?;
        self.broadcasts.left(&news.removed);
        touched.extend(pool.remove(&news.removed));
        touched.extend(pool.insert(added));
        drop(pool);
        Ok(self.standing.lock().followed(news.next, complete))
    }

    /// Returns raw transactions. One that is gone already is left out: another event tells of it, or a block.
    async fn recent_or_fetched(
        &self,
        txids: &[Txid],
        recent: &RecentTxs,
    ) -> Result<Vec<Vec<u8>>, DaemonError> {
        let found = recent.take(txids).await;
        let lacks = txids.iter().zip(&found).filter(|(_, found)| found.is_none());
        let lacks: Vec<Txid> = lacks.map(|(txid, _)| *txid).collect();
        let mut raws: Vec<_> = found.into_iter().flatten().collect();
        raws.extend(self.fetch(&lacks).await?);
        Ok(raws)
    }

    /// Tells whether the node's counts are those of the view. A node that cannot be asked counts as agreeing.
    pub(crate) async fn agrees_with_node(&self) -> bool {
        let info = self.daemon.mempool_info().await;
        info.map_or(true, |info| self.held().agrees_with(&info))
    }

    fn held(&self) -> Held {
        let pool = self.pool.read();
        Held { count: pool.len() as u64, fees: pool.fees() }
    }

    /// Notes whether the node's feed is connected. Whatever happened before counts as missed.
    pub(crate) fn feed_is(&self, connected: bool) {
        self.standing.lock().feed_is(connected);
    }

    /// Begins a broadcast: to be called before the node gets it.
    pub(crate) fn begin_broadcast(&self) -> Broadcast {
        self.broadcasts.begin()
    }

    /// Puts transactions that the node has just accepted into the view.
    ///
    /// Returns what they touch; `None` when only a whole round can tell what became of them.
    pub(crate) async fn accept(
        &self,
        broadcast: &Broadcast,
        raws: Vec<Vec<u8>>,
    ) -> anyhow::Result<Option<Touched>> {
        let Resolved { txs, unresolved } = self.resolve(raws).await?;
        if !unresolved.is_empty() {
            return Ok(None);
        }
        let mut pool = self.pool.write();
        let mut added = Vec::with_capacity(txs.len());
        // A block may have confirmed them in the meantime.
        for tx in self.unconfirmed(txs)? {
            if pool.tx(&tx.0).is_some() {
                continue;
            }
            match broadcast.verdict(&tx.0) {
                Verdict::There => added.push(tx),
                Verdict::Gone => {}
                Verdict::Unsure => return Ok(None),
            }
        }
        Ok(Some(pool.insert(added)))
    }

    /// Leaves out what the index has confirmed. To be called with the mempool locked, which may not be newer than the index.
    fn unconfirmed(
        &self,
        txs: Vec<(Txid, MempoolTx)>,
    ) -> Result<Vec<(Txid, MempoolTx)>, StoreError> {
        if txs.is_empty() {
            return Ok(txs);
        }
        let view = self.index.view()?;
        let mut kept = Vec::with_capacity(txs.len());
        for tx in txs {
            if view.tx_num(&tx.0)?.is_none() {
                kept.push(tx);
            }
        }
        Ok(kept)
    }
}
